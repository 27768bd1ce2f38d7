import math
from pathlib import Path
from typing import Any

import aims as benchmark
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from toys import F, samples, toy_job

from sparsight.controllers.controller import MANY_DEAD
from sparsight.core import SAE, SampleTerm
from sparsight.errors import SparsightError
from sparsight.estimator import SparseAutoencoder
from sparsight.job import Job, Recipe, digest, resume, train
from sparsight.meters.quality import evaluate
from sparsight.run import Run
from sparsight.spec import build, names
from sparsight.views.summary import described


def aimed(architecture: str | dict[str, Any], aim: dict[str, float], **more: Any) -> Job:
    training = {"hold_out": 0.25, "epochs": 60.0, "batch_size": 64, **more.pop("train", {})}
    return toy_job(architecture, aim=aim, train=training, **more)


def settled(job: Job) -> dict[str, Any]:
    job.trainer.fit(job.source)
    assert job.held_out is not None
    assert job.trainer.controller is not None
    return job.trainer.controller.settled(evaluate(job.sae, job.held_out))


@pytest.mark.parametrize(
    ("architecture", "aim"),
    [
        ({"name": "relu_l1", "auxk": 0.0}, {"l0": 3.0}),
        ("relu_l1", {"explained_variance": 0.6}),
        ("relu_l1", {"mean_activity": 0.02}),
        ("sigmoid_kl", {"mean_activity": 0.2}),
        ("topk", {"l0": 5.0}),
        ("gated", {"l0": 3.0}),
        ("batch_topk", {"l0": 4.0}),
        ("jumprelu", {"l0": 3.0}),
        ({"name": "jumprelu", "penalty": "quadratic"}, {"l0": 3.0}),
        ("p_annealing", {"l0": 3.0}),
        ("crosscoder", {"l0": 3.0}),
        ({"name": "matryoshka", "base": "relu_l1"}, {"l0": 3.0}),
        ({"name": "transcoder", "base": "relu_l1"}, {"l0": 3.0}),
    ],
)
def test_an_aim_is_reached_on_samples_that_are_not_trained_on(architecture: Any, aim: dict[str, float]) -> None:
    found = settled(aimed(architecture, aim, train={"epochs": 120.0}))
    ((measure, value),) = aim.items()
    assert found["measured"] == pytest.approx(value, rel=0.05)
    assert found["reached"]
    assert f"{measure} is " in found["said"]


@pytest.mark.parametrize("start", [1e-4, 1e2])
def test_an_aim_is_reached_from_a_weight_that_is_far_off(start: float) -> None:
    job = aimed("relu_l1", {"l0": 3.0}, train={"epochs": 120.0})
    assert job.trainer.controller is not None
    job.trainer.controller.angle = math.log(start)
    found = settled(job)
    assert found["measured"] == pytest.approx(3.0, rel=0.1)


KNOBS = [name for name in names("architecture") if build("architecture", name).knob]


@pytest.mark.parametrize("name", KNOBS)
def test_every_knob_turns_codes_the_way_it_says(name: str) -> None:
    knob = build("architecture", name).knob

    def measured(factor: float) -> dict[str, float]:
        job = toy_job(name, train={"epochs": 24.0})
        part = job.sae.activation if knob.of == "activation" else job.trainer.objective.terms[knob.of]
        value = factor * getattr(part, knob.attribute)
        setattr(part, knob.attribute, round(value) if knob.whole else value)
        job.trainer.fit(job.source)
        return evaluate(job.sae, job.source)

    low, high = (measured(factor) for factor in (0.5, 2.0))
    for measure in knob.moves:
        assert (high[measure] - low[measure]) * knob.more > 0, measure


@pytest.mark.parametrize(("architecture", "aim"), [("relu_l1", {"l0": 3.0}), ("topk", {"explained_variance": 0.6})])
def test_an_aim_resumes_with_the_same_bits(architecture: str, aim: dict[str, float], tmp_path: Path) -> None:
    def job() -> Job:
        return aimed(architecture, aim, train={"epochs": 15.0})

    whole = job()
    whole.trainer.fit(whole.source)
    first, run = job(), Run.create(tmp_path / "run", {}, {})
    batches = first.source.batches(64, 0)
    for _ in range(45):
        first.trainer.step(next(batches))
    run.checkpoint(45, first.trainer.state_dict())
    second, state = job(), run.latest()
    assert state is not None
    second.trainer.load_state_dict(state)
    second.trainer.fit(second.source)
    assert digest(second.sae) == digest(whole.sae)
    assert second.trainer.controller is not None
    assert whole.trainer.controller is not None
    assert second.trainer.controller.state_dict() == whole.trainer.controller.state_dict()
    assert second.sae.architecture == whole.sae.architecture != toy_job(architecture).sae.architecture


@pytest.mark.parametrize("outer", ["matryoshka", "transcoder", "skip_transcoder"])
def test_an_architecture_over_another_has_the_knob_of_its_base(outer: str, tmp_path: Path) -> None:
    job = aimed({"name": outer, "base": "batch_topk"}, {"l0": 3.0}, train={"epochs": 10.0})
    job.trainer.fit(job.source)
    assert job.trainer.controller is not None
    base = job.sae.architecture["base"]
    assert base == {"name": "batch_topk", "k": job.trainer.controller.value}
    assert isinstance(base["k"], float)
    assert base["k"] != 3.0
    job.sae.save(tmp_path / "model.safetensors")
    assert SAE.load(tmp_path / "model.safetensors").architecture == job.sae.architecture
    with pytest.raises(SparsightError, match=r"architecture\.base\.k = 2\.5 and an aim are both given"):
        aimed({"name": outer, "base": {"name": "batch_topk", "k": 2.5}}, {"l0": 3.0})


def test_between_two_whole_numbers_the_better_is_taken_and_the_sentence_says_so() -> None:
    found = settled(aimed("matching_pursuit", {"l0": 2.3}))
    others = {}
    for k in (2, 3):
        job = toy_job({"name": "matching_pursuit", "k": k}, train={"hold_out": 0.25, "epochs": 60.0})
        job.trainer.fit(job.source)
        assert job.held_out is not None
        others[k] = evaluate(job.sae, job.held_out)["l0"]
    best = min(others, key=lambda k: abs(math.log(others[k] / 2.3)))
    assert not found["reached"]
    assert found["value"] == best
    assert found["said"].endswith(
        f"was not reached: with {5 - best} it was on the other side, and there is nothing between"
    )


def test_dead_features_are_said() -> None:
    controller = aimed("relu_l1", {"l0": 3.0}).trainer.controller
    assert controller is not None
    assert controller.settled(dead=2)["said"] == controller.settled()["said"]
    assert controller.settled(dead=3)["said"].endswith(f"; 3 of {F} features are dead, which makes codes fewer too")


@pytest.mark.slow
@pytest.mark.parametrize("data", benchmark.DATA)
@pytest.mark.parametrize("name", KNOBS)
def test_every_knob_reaches_an_aim_given_time_or_says_that_features_are_dead(name: str, data: str) -> None:
    knob = build("architecture", name).knob
    measure = next(measure for measure in benchmark.AIMS[data] if measure in knob.moves)
    aim = benchmark.AIMS[data][measure][-1]

    def found(times: float) -> tuple[dict[str, Any], bool]:
        job = benchmark.aimed({"name": name}, data, measure, aim, times)
        job.trainer.fit(job.source)
        assert job.held_out is not None
        assert job.trainer.controller is not None
        n_dead = job.trainer.n_dead
        settled = job.trainer.controller.settled(evaluate(job.sae, job.held_out), n_dead)
        return settled, n_dead > MANY_DEAD * job.sae.n_latents

    settled, many_dead = found(1.0)
    if many_dead:
        assert settled["said"].endswith("features are dead, which makes codes fewer too")
    elif not settled["reached"]:
        assert settled["said"].endswith("it had not settled, and more train.epochs give it time")
        settled, _ = found(2.0)
        assert settled["reached"], settled["said"]


def _forty_steps(micro: int | None = None) -> tuple[SAE, float]:
    job = aimed("relu_l1", {"l0": 3.0}, train={"epochs": 6.6, "micro_batch_size": micro})
    job.sae.double()
    job.trainer.fit(job.source)
    assert job.trainer.number == 40
    assert job.trainer.controller is not None
    return job.sae, job.trainer.controller.value


def _two(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    sae, value = _forty_steps()
    torch.save((sae.state_dict(), value), f"{folder}/{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


def test_two_processes_and_micro_batches_turn_the_knob_as_one_does(tmp_path: Path) -> None:
    one, value = _forty_steps()
    mp.spawn(_two, args=(str(tmp_path),), nprocs=2)  # type: ignore[attr-defined]
    others = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    micro, turned = _forty_steps(24)
    assert value != toy_job("relu_l1").sae.architecture["l1"]
    assert others[0][1] == others[1][1]
    for state, knob in [*others, (micro.state_dict(), turned)]:
        assert knob == pytest.approx(value, rel=1e-9)
        for key, tensor in one.state_dict().items():
            torch.testing.assert_close(state[key], tensor, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("architecture", "share"), [("relu_l1", 0.1), ("batch_topk", 0.02)])
def test_the_knob_rests_at_the_end(architecture: str, share: float) -> None:
    job = aimed(architecture, {"l0": 3.0}, train={"epochs": 100.0})
    controller, steps = job.trainer.controller, job.trainer.steps
    assert controller is not None
    batches, values = job.source.batches(64, 0), []
    for _ in range(steps):
        job.trainer.step(next(batches))
        values.append(controller.value)
    rest = math.ceil((1 - share) * steps)
    assert len(set(values[:rest])) > 5
    assert len(set(values[rest:])) == 1
    assert len(set(values[rest - 12 :])) == 2  # looks are ten steps apart


def test_looking_adds_no_noise_and_leaves_the_model_in_training() -> None:
    job = aimed("relu_l1", {"l0": 3.0})
    job.trainer.step(next(job.source.batches(64, 0)))
    controller = job.trainer.controller
    assert controller is not None
    before = digest(job.sae)
    controller.after_step(200, 400)
    assert digest(job.sae) == before
    assert job.sae.training


def test_the_saved_model_has_the_k_that_was_found(tmp_path: Path) -> None:
    job = aimed("topk", {"explained_variance": 0.6}, train={"epochs": 30.0})
    job.trainer.fit(job.source)
    job.sae.save(tmp_path / "model.safetensors")
    again = SAE.load(tmp_path / "model.safetensors")
    assert job.trainer.controller is not None
    assert again.architecture["k"] == job.trainer.controller.value
    x = samples(32)
    torch.testing.assert_close(again.encode(x).dense(), job.sae.encode(x).dense())


@pytest.mark.parametrize(
    ("architecture", "aim", "n_latents", "why"),
    [
        ("topk", {"explained_variance": 0.9}, 4, "and 0.9 was not reached: that is as far as it goes"),
        ("relu_l1", {"explained_variance": 0.9999}, 2, "was not reached: to turn it further has no effect"),
        ("relu_l1", {"l0": 0.5}, F, "was not reached: it had not settled, and more train.epochs give it time"),
    ],
)
def test_what_cannot_be_reached_is_said_with_what_was(
    architecture: str, aim: dict[str, float], n_latents: int, why: str
) -> None:
    short = {"epochs": 3.0} if "l0" in aim else {}
    found = settled(aimed(architecture, aim, n_latents=n_latents, train=short))
    assert not found["reached"]
    assert found["said"].endswith(why)
    assert f"{found['measured']:.4g}" in found["said"]


@pytest.mark.parametrize(
    ("architecture", "aim", "said"),
    [
        ("topk", {"l0": F + 1.0}, f"aim.l0 is {F + 1}, and it can only be between 0 and {F}"),
        ("relu_l1", {"l0": 0.0}, "aim.l0 is 0, and it can only be between 0 and"),
        ("relu_l1", {"mean_activity": -1.0}, "aim.mean_activity is -1, and it can only be above 0"),
        ("sigmoid_kl", {"mean_activity": 1.5}, "aim.mean_activity is 1.5, and it can only be between 0 and 1"),
        ("relu_l1", {"explained_variance": 1.0}, "aim.explained_variance is 1, and it can only be between 0 and 1"),
        ("relu_l1", {"l00": 3.0}, "aim has no 'l00'; did you mean 'l0'"),
        ("relu_l1", {"l0": 3.0, "explained_variance": 0.5}, "aim at one measure, of .*: 2 are given"),
        ("relu_l1", {}, "aim at one measure, of l0, mean_activity, explained_variance: 0 are given"),
        ({"name": "topk", "k": 3}, {"l0": 4.0}, r"architecture\.k = 3 and an aim are both given"),
        ({"name": "relu_l1", "l1": 0.2}, {"l0": 4.0}, r"architecture\.l1 = 0\.2 and an aim are both given"),
        ("sigmoid_kl", {"l0": 4.0}, r"aim\.l0 is beyond architecture\.target of sigmoid_kl, which moves"),
        ({"name": "sigmoid_kl", "kl": 0.0}, {"mean_activity": 0.1}, "sigmoid_kl has no knob that an aim could turn"),
    ],
)
def test_a_mistake_is_one_sentence(architecture: Any, aim: dict[str, float], said: str) -> None:
    with pytest.raises(SparsightError, match=said):
        aimed(architecture, aim)


def test_early_stopping_waits_until_the_knob_rests() -> None:
    job = aimed("relu_l1", {"l0": 3.0}, train={"patience": 1, "evaluate_every": 5, "epochs": 20.0})
    job.trainer.fit(job.source, held_out=job.held_out)
    assert job.trainer.number >= 0.9 * job.trainer.steps


def test_a_run_says_where_its_aim_settled_and_a_killed_one_goes_on(tmp_path: Path) -> None:
    spec = {
        "architecture": "relu_l1",
        "n_latents": F,
        "aim": {"l0": 3},
        "train": {"epochs": 40.0, "batch_size": 64, "lr": 1e-2, "checkpoint_every": 20},
    }
    source = build("source", "arrays", data=samples())

    class Kill:
        def on_log(self, logged: Any) -> None: ...

        def on_checkpoint(self, step: int) -> None:
            if step == 60:
                raise RuntimeError("killed")

        def on_end(self, reason: str) -> None: ...

    whole = train(Recipe.parse(spec), tmp_path / "whole", source)
    with pytest.raises(RuntimeError):
        train(Recipe.parse(spec), tmp_path / "killed", source, [Kill()])
    again = resume(tmp_path / "killed", source)
    assert whole.summary is not None
    assert again.summary is not None
    assert again.summary["weights"] == whole.summary["weights"]
    assert again.summary["aim"] == whole.summary["aim"]
    assert whole.summary["aim"]["measured"] == whole.summary["quality"]["l0"]
    assert described(whole)["aim"]["said"].startswith("l0 is ")
    assert "no samples are held out: the aim is measured on some that are trained on" in whole.manifest["notes"][-1]


def test_the_estimator_takes_an_aim() -> None:
    X = samples().numpy()
    model = SparseAutoencoder(
        F, recipe={"architecture": "relu_l1"}, aim={"l0": 3}, learning_rate=1e-2, max_epochs=60, batch_size=64,
        random_state=0,
    ).fit(X)  # fmt: skip
    assert (model.transform(X) != 0).sum(1).mean() == pytest.approx(3, rel=0.1)
    assert any("and 3 was asked for" in note for note in model.notes_)


def test_the_objective_is_that_of_the_weight_that_was_found() -> None:
    job = aimed("relu_l1", {"l0": 3.0}, train={"epochs": 10.0})
    job.trainer.fit(job.source)
    term = job.trainer.objective.terms["codes_l1"]
    assert isinstance(term, SampleTerm)
    assert term.weight == job.sae.architecture["l1"] != 0.1
