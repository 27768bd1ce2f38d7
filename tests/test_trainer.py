import copy
import json
import math
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from toys import D, F, samples, toy_job, toy_source

from sparsight.core import Logged, SampleTerm, Schema, StatisticTerm
from sparsight.errors import SparsightError
from sparsight.job import Recipe, digest, prepare
from sparsight.meters.quality import Quality, evaluate, measure_quality
from sparsight.optimise import TrainConfig
from sparsight.run import Run
from sparsight.spec import build
from sparsight.trainer import NonFiniteLossError


class Watch:
    """Keeps every log line, and may do something at each."""

    def __init__(self, then: Any = None) -> None:
        self.lines: list[Logged] = []
        self.reason = ""
        self.then = then

    def on_log(self, logged: Logged) -> None:
        self.lines.append(logged)
        if self.then is not None:
            self.then(logged)

    def on_checkpoint(self, step: int) -> None: ...

    def on_end(self, reason: str) -> None:
        self.reason = reason


def test_the_learning_rate_rises_stays_and_falls_to_nothing() -> None:
    job = toy_job("topk", train={"epochs": 12.5, "lr": 1.0, "warmup": 0.2, "decay": 0.4})
    trainer = job.trainer
    assert trainer.steps == 100
    rates = []
    for trainer.number in range(100):
        rates.append(trainer._lr())
    assert rates[0] == pytest.approx(0.05)
    assert rates[19:60] == [1.0] * 41
    assert rates[80] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.025)


def test_a_weight_rises_over_its_warmup() -> None:
    term = build("term", {"name": "codes_l1", "weight": 2.0, "warmup": 0.5})
    assert [term.now(p) for p in (0.0, 0.25, 0.5, 1.0)] == [0.0, 1.0, 2.0, 2.0]


def test_every_term_is_logged_alone_with_its_share_of_the_gradient() -> None:
    watch = Watch()
    job = toy_job("sigmoid_kl", train={"epochs": 1.0, "log_every": 1})
    job.trainer.fit(job.source, observers=[watch])
    line = watch.lines[-1]
    assert set(line.terms) == {"squared_error", "kl", "l2"}
    for group in ("encoder", "decoder"):
        assert sum(term["share"][group] for term in line.terms.values()) == pytest.approx(1)
    assert line.terms["kl"]["share"]["decoder"] == 0
    assert line.loss == pytest.approx(sum(term["value"] * term["weight"] for term in line.terms.values()))


def test_a_penalty_that_does_nothing_is_seen_in_its_share() -> None:
    def share(weight: float) -> float:
        watch = Watch()
        job = toy_job({"name": "sigmoid_kl", "kl": weight}, train={"epochs": 1.0, "log_every": 1})
        job.trainer.fit(job.source, observers=[watch])
        return watch.lines[0].terms["kl"]["share"]["encoder"]

    assert share(3 / 7680) < 0.02 < 0.3 < share(3.0)


def test_a_weight_means_the_same_at_every_batch_size() -> None:
    values = []
    for size in (32, 512):
        job = toy_job("relu_l1", train={"batch_size": size})
        total = torch.zeros(())
        batches = job.source.batches(size, 0)
        for _ in range(512 // size):
            batch = next(batches)
            step = job.sae.run(batch.inputs, batch.inputs)
            for name in ("squared_error", "codes_l1"):
                term = job.trainer.objective.terms[name]
                assert isinstance(term, SampleTerm)
                total = total + step.mean(term.per_sample(step, job.sae)) * size / 512
        values.append(float(total.detach()))
    assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_the_mean_activity_is_taken_over_samples_and_a_small_batch_gets_a_moving_average() -> None:
    job = toy_job("sigmoid_kl")
    step = job.sae.run(samples(), samples())
    torch.testing.assert_close(step.mean_codes(), step.codes.dense().mean(0))
    kl = build("term", {"name": "kl", "target": 0.1})
    assert kl.memory(100) == 0
    assert kl.memory(20) == pytest.approx(0.8)
    before = dict(job.trainer.objective.averages)
    job.trainer.step(next(job.source.batches(64, 0)))
    assert not before
    assert job.trainer.objective.averages["kl"].shape == (F,)


def test_kl_cannot_overflow_and_still_pushes_back() -> None:
    kl = build("term", "kl")
    q = torch.tensor([0.0, 1.0, 0.1], requires_grad=True)
    value = kl.value(q, None)
    value.backward()
    assert math.isfinite(value.item())
    assert q.grad is not None
    assert q.grad[0] < -1e4
    assert q.grad[1] > 1e4
    assert q.grad[2] == pytest.approx(0, abs=1e-5)


def test_weight_decay_never_touches_a_bias() -> None:
    job = toy_job("topk", terms={"l2": {"weight": 1.0, "of": "both"}, "l1": {"weight": 1.0, "of": "both"}})
    with torch.no_grad():
        job.sae.b_enc.fill_(7.0)
        job.sae.b_dec.fill_(7.0)
    for name in ("l2", "l1"):
        term = job.trainer.objective.terms[name]
        assert isinstance(term, StatisticTerm)
        found = torch.autograd.grad(term.value(None, job.sae), [job.sae.b_enc, job.sae.b_dec], allow_unused=True)
        assert found == (None, None)


def test_smoothness_is_blind_to_length_and_does_not_reward_weight_where_inputs_never_vary() -> None:
    data = samples()
    data[:, 8:] = 0.5  # the lower half of the pictures
    job = toy_job("topk", build("source", "arrays", data=data, shape=[4, 4]), terms={"smoothness": {"of": "encoder"}})
    term = job.trainer.objective.terms["smoothness"]
    assert isinstance(term, StatisticTerm)
    with torch.no_grad():
        job.sae.W_enc[:, 8:] = 0
        plain = float(term.value(None, job.sae))
        job.sae.W_enc.mul_(3)
        assert float(term.value(None, job.sae)) == pytest.approx(plain, rel=1e-5)
        job.sae.W_enc[:, 8:] = 50.0
        assert float(term.value(None, job.sae)) > plain


def test_the_balance_of_smoothness_and_error_is_the_same_in_all_units() -> None:
    def share(factor: float) -> float:
        job = toy_job(
            "topk",
            build("source", "arrays", data=factor * samples(), shape=[4, 4]),
            terms={"smoothness": {}},
            train={"epochs": 0.01, "log_every": 1},
        )
        job.trainer.fit(job.source)
        terms = job.trainer.logged(0.0, {}).terms
        return terms["smoothness"]["loss"] / terms["squared_error"]["loss"]

    assert share(10.0) == pytest.approx(share(1.0), rel=1e-4)


def test_decoder_rows_stay_of_length_one() -> None:
    job = toy_job("topk", train={"epochs": 1.0})
    job.trainer.fit(job.source)
    torch.testing.assert_close(job.sae.W_dec.norm(dim=1), torch.ones(F))


@pytest.mark.parametrize(("side", "pixels", "reach"), [(28, None, 1), (56, None, 2), (14, 1, 1)])
def test_pictures_are_moved_by_a_share_of_their_side(side: int, pixels: int | None, reach: int) -> None:
    dot = torch.zeros(1, side, side)
    dot[0, side // 2, side // 2] = 1.0
    source = build("source", "arrays", data=dot.expand(512, side, side).flatten(1), shape=[side, side])
    shift = build("augmentation", {"name": "shift", "pixels": pixels})
    assert shift.check(source.schema) is None
    batch = next(source.batches(512, 0))
    at = shift(batch.inputs, batch, source.schema, 0).unflatten(1, (side, side)).nonzero()[:, 1:] - side // 2
    assert {*at.flatten().tolist()} == {*range(-reach, reach + 1)}


def test_pictures_that_are_too_small_to_be_moved_stay_where_they_are() -> None:
    said = build("augmentation", "shift").check(Schema(n_inputs=64, shape=(8, 8)))
    assert said == "shift is left out: pictures of 8 x 8 are too small to be moved"


def test_clipping_bounds_the_gradient_and_a_lower_bound_bounds_more() -> None:
    def moved(clip: float | None) -> float:
        job = toy_job("topk", train={"optimizer": "sgd", "lr": 1.0, "clip": clip}, terms={"l2": {"weight": 50.0}})
        before = job.sae.W_enc.detach().clone()
        job.trainer.step(next(job.source.batches(64, 0)))
        return float((job.sae.W_enc - before).norm().detach())

    assert moved(1e-3) < 1.1e-3 < moved(None)


def test_dead_is_idle_for_more_samples_than_allowed_and_a_zero_does_not_count() -> None:
    job = toy_job("topk", train={"dead_after": 200})
    with torch.no_grad():
        job.sae.b_enc[:5] = -1e3
    batches = job.source.batches(64, 0)
    for _ in range(3):
        job.trainer.step(next(batches))
    assert (job.trainer.idle[:5] == 192).all()
    assert job.trainer.dead is None
    for _ in range(6):
        job.trainer.step(next(batches))
    assert job.trainer.dead is not None
    assert job.trainer.dead[:5].all()


def test_a_non_finite_loss_stops_before_the_weights_change_and_names_the_term() -> None:
    job = toy_job("topk")
    batches = job.source.batches(64, 0)
    job.trainer.step(next(batches))
    before = digest(job.sae)
    batch = next(batches)
    batch.source.base[batch.ids[3], 2] = math.inf  # type: ignore[attr-defined]
    with pytest.raises(NonFiniteLossError, match=r"at step 1, by the term squared_error.*lower train\.lr"):
        job.trainer.step(batch)
    assert digest(job.sae) == before


def test_the_last_good_checkpoint_is_kept(tmp_path: Path) -> None:
    job = toy_job("relu_l1", train={"optimizer": "sgd", "lr": 1e6, "checkpoint_every": 1})
    run = Run.create(tmp_path / "run", {}, {})
    with pytest.raises(NonFiniteLossError):
        job.trainer.fit(job.source, run)
    state = run.latest()
    assert state is not None
    assert state["number"] == job.trainer.number
    assert all(torch.isfinite(tensor).all() for tensor in state["sae"].values())


def test_early_stopping_ends_at_the_best_weights() -> None:
    def stop() -> tuple[Any, Watch]:
        watch = Watch()
        train = {"hold_out": 0.2, "patience": 2, "lr": 0.3, "decay": 0.0, "epochs": 200.0, "evaluate_every": 5}
        job = toy_job("relu_l1", train=train)
        assert job.held_out is not None
        assert job.trainer.fit(job.source, observers=[watch], held_out=job.held_out) == "early stop"
        return job, watch

    job, watch = stop()
    errors = [line.held_out["error"] for line in watch.lines if line.held_out]
    assert job.trainer.number < job.trainer.steps
    assert min(errors) not in errors[-2:]
    assert evaluate(job.sae, job.held_out)["error"] == pytest.approx(min(errors))


def test_ctrl_c_ends_after_the_step_with_a_checkpoint(tmp_path: Path) -> None:
    assert threading.current_thread() is threading.main_thread()

    def press(line: Logged) -> None:
        if line.step == 5:
            signal.raise_signal(signal.SIGINT)

    run = Run.create(tmp_path / "run", {}, {})
    watch = Watch(press)
    job = toy_job("topk", train={"log_every": 1})
    assert job.trainer.fit(job.source, run, [watch]) == "interrupted"
    state = run.latest()
    assert state is not None
    assert state["number"] == job.trainer.number == 5
    assert watch.reason == "interrupted"


def test_held_out_samples_are_never_trained_on() -> None:
    source = build("source", "arrays", data=torch.arange(512.0)[:, None].expand(-1, D).clone())
    job = toy_job("topk", source, train={"hold_out": 0.25})
    assert job.held_out is not None
    trained, held = (set(s.gather(torch.arange(len(s)))[:, 0].tolist()) for s in (job.source, job.held_out))
    assert len(trained) == 384
    assert len(held) == 128
    assert not trained & held


def test_sample_weights_are_repetitions() -> None:
    weight = torch.arange(64) % 3
    data = samples(64)
    weighted = build("source", "arrays", data=data, weight=weight)
    repeated = build("source", "arrays", data=data.repeat_interleave(weight, 0))
    jobs = [
        toy_job({"name": "sigmoid_kl", "target": 0.2}, source, train={"batch_size": "all", "epochs": 20.0})
        for source in (weighted, repeated)
    ]
    for job in jobs:
        job.sae.double()
        job.trainer.fit(job.source)
    for key, value in jobs[0].sae.state_dict().items():
        torch.testing.assert_close(value, jobs[1].sae.state_dict()[key], rtol=0, atol=1e-9)
    one, two = (measure_quality(job.sae, job.source).result() for job in jobs)
    assert one == pytest.approx(two)


def test_quality_in_the_units_of_the_data_and_of_the_model() -> None:
    job = toy_job("topk", preprocess=["standardise"])
    model = measure_quality(job.sae, job.source).result()
    raw = measure_quality(job.sae, job.source, raw=True).result()
    assert model["explained_variance"] != pytest.approx(raw["explained_variance"], abs=1e-4)
    x = samples()
    recon = job.sae.reconstruct(x).detach()
    wanted = 1 - (x - recon).square().sum() / (x - x.mean(0)).square().sum()
    assert raw["explained_variance"] == pytest.approx(float(wanted), abs=1e-4)
    assert isinstance(measure_quality(job.sae, job.source), Quality)


def test_a_batch_larger_than_the_data_takes_all_and_says_so() -> None:
    job = toy_job("topk", toy_source(40), train={"batch_size": 64})
    assert job.trainer.batch_size == 40
    assert any("larger than the data: every step takes all 40 samples" in note for note in job.notes)


def test_what_needs_pictures_is_left_out_of_tables_and_said() -> None:
    job = toy_job("topk", toy_source(pictures=False), terms={"smoothness": {}}, augmentations=["shift"])
    assert "smoothness" not in job.trainer.objective.terms
    assert not job.trainer.objective.augmentations
    assert sum("is left out" in note for note in job.notes) == 2


def test_a_near_constant_input_is_named_and_not_blown_up() -> None:
    data = samples()
    data[:, 3] = 0.5 + 1e-7 * torch.randn(len(data))
    job = toy_job("topk", build("source", "arrays", data=data), preprocess=["standardise"])
    assert "1 near-constant inputs are centred but not divided by their own spread (3)" in job.notes[0]
    assert float(job.sae.preprocess(data).abs().max()) < 20


def test_columns_of_a_table_are_standardised_whatever_their_units_and_faint_pixels_are_not_blown_up() -> None:
    data = samples()
    data[:, 3] *= 1e-4
    table = toy_job("topk", build("source", "arrays", data=data), preprocess=["standardise"])
    assert not table.notes
    torch.testing.assert_close(table.sae.preprocess(data).std(0, correction=0), torch.ones(D))
    pictures = toy_job("topk", build("source", "arrays", data=data, shape=[4, 4]), preprocess=["standardise"])
    assert "1 near-constant inputs are centred but not divided by their own spread (3)" in pictures.notes[0]


@pytest.mark.parametrize(
    ("recipe", "data", "said"),
    [
        ({}, samples(4).fill_(math.nan), r"4 of 4 samples hold NaN or infinity \(samples 0, 1, 2, 3\)"),
        ({"preprocess": ["scale"]}, samples(8).fill_(0.5), "cannot be scaled: all samples are equal"),
        ({"preprocess": ["standardise"]}, samples(8).fill_(0.5), "cannot be standardised: all samples are equal"),
        ({"preprocess": ["unit_norm"]}, samples(8).fill_(0), "cannot be given unit norm: every sample is zero"),
        ({"output": "sigmoid"}, samples() * 3, r"the output 'sigmoid' stays in \[0, 1\], and the data go from"),
        ({"error": "binary_cross_entropy"}, samples(), "binary_cross_entropy needs output = 'sigmoid'"),
        ({"error": "softmax_cross_entropy"}, samples(), "softmax_cross_entropy needs output = 'softmax'"),
        (
            {"error": "softmax_cross_entropy", "output": "softmax", "architecture": "sigmoid_kl"},
            samples(),
            "needs rows that are distributions",
        ),
        ({"terms": {"kl": {}}}, samples(), r"kl needs codes between 0 and 1, and those of topk go from 0 to inf"),
        ({"terms": {"kl_per_activation": {}}}, samples(), "kl_per_activation needs codes between 0 and 1"),
        ({"architecture": {"name": "topk", "k": F + 1}}, samples(), f"k is {F + 1} but there are only {F} features"),
        ({"train": {"hold_out": 0.9}}, samples(3), "leaves none to train on"),
        ({"n_latents": 0}, samples(), "n_latents should be greater than or equal to 1"),
        ({"achitecture": "topk"}, samples(), "has no 'achitecture'; did you mean 'architecture'"),
        ({"train": {"lrr": 1.0}}, samples(), "has no 'lrr'; did you mean 'lr'"),
        ({"train": {"lr": "fast"}}, samples(), r"train\.lr should be a valid number, got 'fast'"),
        ({"corruption": "gausian"}, samples(), "unknown corruption 'gausian'; did you mean 'gaussian'"),
        ({"terms": {"smoothnes": {}}}, samples(), "unknown term 'smoothnes'; did you mean 'smoothness'"),
        ({"terms": {"auxk": {}}}, samples(), "'auxk' is there already, from the architecture 'topk'"),
    ],
)
def test_a_mistake_is_one_sentence(recipe: dict[str, Any], data: torch.Tensor, said: str) -> None:
    with pytest.raises(SparsightError, match=said):
        toy_job(recipe.pop("architecture", "topk"), build("source", "arrays", data=data), **recipe)


def test_a_recipe_without_data_says_so() -> None:
    with pytest.raises(SparsightError, match="names no data"):
        prepare(Recipe.parse({"architecture": "topk"}))


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        TrainConfig().lr = 1.0  # type: ignore[misc]


def test_the_log_is_json_and_null_stands_for_what_is_no_number(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {}, {})
    line = Logged(
        step=1, steps=2, samples=3, epoch=1.0, seconds=0.1, lr=0.1, loss=math.nan, terms={}, explained_variance=0.5,
        l0=1.0, mean_activity=0.1, dead=0,
    )  # fmt: skip
    run.append(line)
    run.append(copy.copy(line))
    texts = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert json.loads(texts[0])["loss"] is None
    assert len(run.log()) == 2
    assert D == 16
