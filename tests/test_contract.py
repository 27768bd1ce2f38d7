"""One contract for everything that is registered: a new file is tested by being there."""

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor
from torch.overrides import TorchFunctionMode
from toys import F, dictionary, mapped, samples, toy_job, toy_source

from sparsight.architectures.stack import seen
from sparsight.core import SAE, Batch, Chain, Logged, Preprocess, SampleTerm, Schema, StatisticTerm, Term
from sparsight.distributed import World
from sparsight.errors import SparsightError
from sparsight.job import Job, digest
from sparsight.meters.quality import evaluate
from sparsight.run import Run
from sparsight.spec import build, describe, kinds, knobs, names, schema

ARCHITECTURES = names("architecture")
TERMS = names("term")
SHIFT = {"name": "shift", "pixels": 1}


OF_SOMETHING = ("source", "feed", "model")
"""Kinds of which no part can be built from its defaults alone."""


@pytest.mark.parametrize("kind", [kind for kind in kinds() if kind not in OF_SOMETHING])
def test_every_part_is_built_by_its_defaults_and_describes_itself(kind: str) -> None:
    for name in names(kind):
        part = build(kind, name)
        again = build(kind, describe(part))
        assert (
            describe(part) == describe(again) == {"name": name, **{k: p.default for k, p in knobs(kind, name).items()}}
        )
        assert schema(kind, name)["title"] == name


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_it_learns_a_toy_dictionary(name: str) -> None:
    job = toy_job(name, error={"name": "squared_error", "weight": 100.0})
    before = evaluate(job.sae, job.source)["explained_variance"]
    assert job.trainer.fit(job.source) == "finished"
    after = evaluate(job.sae, job.source)["explained_variance"]
    assert 1 - after < min(0.75, (1 - before) * 2 / 3), (before, after)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_parameter_is_moved(name: str) -> None:
    job = toy_job(name)
    before = copy.deepcopy(job.sae.state_dict())
    batches = job.source.batches(64, 0)
    for _ in range(3):
        job.trainer.step(next(batches))
    for parameter, value in job.sae.named_parameters():
        assert not torch.equal(before[parameter], value), parameter


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_evaluation_is_per_sample(name: str) -> None:
    job = toy_job(name)
    job.sae.double()
    x = samples(8).double()
    for _ in range(2):  # before training, and with what it learns
        sae = job.sae.eval()
        codes, recon = sae.encode(x).dense(), sae(x)
        for row in range(8):
            torch.testing.assert_close(sae.encode(x[row : row + 1]).dense()[0], codes[row])
            torch.testing.assert_close(sae(x[row : row + 1])[0], recon[row])
        job.trainer.step(next(job.source.batches(64, 0)))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_codes_stay_in_their_bounds(name: str) -> None:
    sae = toy_job(name).sae
    low, high = sae.activation.bounds
    codes = sae.encode(50 * torch.randn(64, sae.n_inputs)).dense()
    assert low <= codes.min().item()
    assert codes.max().item() <= high


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_is_saved_is_what_is_loaded(name: str, tmp_path: Path) -> None:
    job = toy_job(name, preprocess=["scale"] if build("architecture", name).output == "identity" else [])
    job.trainer.step(next(job.source.batches(64, 0)))
    job.sae.eval().save(tmp_path / "model.safetensors")
    again = SAE.load(tmp_path / "model.safetensors")
    assert again.described() == job.sae.described()
    assert digest(again) == digest(job.sae)
    x = samples(16)
    torch.testing.assert_close(again.reconstruct(x), job.sae.reconstruct(x), rtol=0, atol=0)


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_resuming_gives_the_same_bits(name: str, optimizer: str, tmp_path: Path) -> None:
    def job() -> Job:
        train = {"optimizer": optimizer, "lr": 1e-3, "iterations": 2, "epochs": 1.5, "dead_after": 100}
        return toy_job(name, train=train, corruption="gaussian", augmentations=[SHIFT])

    whole = job()
    whole.trainer.fit(whole.source)
    run = Run.create(tmp_path / "run", {}, {})
    first = job()
    batches = first.source.batches(64, 0)
    for _ in range(5):
        first.trainer.step(next(batches))
    run.checkpoint(5, first.trainer.state_dict())
    torch.manual_seed(99)
    second = job()
    state = run.latest()
    assert state is not None
    second.trainer.load_state_dict(state)
    second.trainer.fit(second.source)
    assert digest(second.sae) == digest(whole.sae)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_logging_changes_nothing(name: str) -> None:
    often, never = (toy_job(name, train={"epochs": 2.0, "log_every": every}) for every in (1, 1000))
    often.trainer.fit(often.source, held_out=often.source)
    never.trainer.fit(never.source)
    assert digest(often.sae) == digest(never.sae)
    assert torch.equal(often.trainer.idle, never.trainer.idle)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_micro_batches_are_the_batch(name: str) -> None:
    def weights(micro: int | None) -> SAE:
        job = toy_job(name, train={"micro_batch_size": micro, "epochs": 1.25, "dead_after": 100}, corruption="gaussian")
        job.sae.double()
        job.trainer.fit(job.source)
        return job.sae

    whole, parts = weights(None).state_dict(), weights(24).state_dict()
    for key, value in whole.items():
        torch.testing.assert_close(parts[key], value, rtol=0, atol=1e-9, msg=key)


def _two(rank: int, folder: str, architectures: list[str]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    for name in architectures:
        sae, line = _ten_steps(name)
        if rank == 0:
            torch.save((sae.state_dict(), line), f"{folder}/{name}.pt")
    dist.barrier()  # one that leaves while the other still talks takes it down
    dist.destroy_process_group()


def _ten_steps(name: str) -> tuple[SAE, dict[str, Any]]:
    job = toy_job(
        name,
        train={"epochs": 1.25, "dead_after": 100},
        corruption="gaussian",
        augmentations=[SHIFT],
    )
    job.sae.double()
    lines: list[Any] = []
    job.trainer.fit(job.source, observers=[_Collect(lines)])
    assert job.trainer.number == 10
    return job.sae, {"terms": lines[-1].terms, "l0": lines[-1].l0, "dead": lines[-1].dead}


class _Collect:
    def __init__(self, lines: list[Any]) -> None:
        self.lines = lines

    def on_log(self, logged: Logged) -> None:
        self.lines.append(logged)

    def on_checkpoint(self, step: int) -> None: ...

    def on_end(self, reason: str) -> None: ...


def test_two_processes_agree_with_one(tmp_path: Path) -> None:
    mp.spawn(_two, args=(str(tmp_path), ARCHITECTURES), nprocs=2)  # type: ignore[attr-defined]
    for name in ARCHITECTURES:
        one, line = _ten_steps(name)
        two, line_of_two = torch.load(tmp_path / f"{name}.pt", weights_only=True)
        for key, value in one.state_dict().items():
            torch.testing.assert_close(two[key], value, rtol=0, atol=1e-9, msg=f"{name}: {key}")
        assert line["dead"] == line_of_two["dead"]
        assert line["l0"] == pytest.approx(line_of_two["l0"])
        for term, said in line["terms"].items():
            assert said["value"] == pytest.approx(line_of_two["terms"][term]["value"])
            assert said["share"] == pytest.approx(line_of_two["terms"][term]["share"])


# --- terms -----------------------------------------------------------------------------------------------------------


def smooth_samples(job: Job, x: Tensor) -> Tensor:
    """The samples that are not at a kink."""
    layers, smooth = job.sae.layers, torch.ones(len(x), dtype=torch.bool)
    for layer, sees in zip(layers, seen(layers, x), strict=True):
        activation, pre = layer.activation, layer.pre(sees).detach()
        if activation.joint:  # what is kept of the batch is held still
            activation.cut = activation.common_cut(lambda pre=pre: iter([pre]), len(pre), World())
        smooth &= (activation.kinks(pre) > 3e-3).all(1)
    return x[smooth]


def term_setting(name: str) -> tuple[Job, Tensor, Tensor]:
    """A double-precision model that a term fits, the first that it does not refuse, samples, and who is dead."""
    first = [{"name": "relu_l1", "auxk": 0.0}]
    for architecture, output in itertools.product([*first, *ARCHITECTURES], ("identity", "sigmoid", "softmax")):
        data = samples(2048) + 0.01
        data = data / data.sum(1, keepdim=True) if output == "softmax" else data.clamp(0, 1)
        source = build("source", {"name": "arrays", "shape": [4, 4]}, data=data)
        try:
            job = toy_job(architecture, source, output=output)
            build("term", name).check(job.sae, job.trainer.facts)
        except SparsightError:
            continue
        break
    else:
        pytest.fail(f"every architecture is refused by {name}")
    job.sae.double()
    dice = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in job.sae.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=dice, dtype=torch.float64))
        job.sae.b_enc[:4] = -3.0
    return job, data.double(), torch.arange(F) < 8


def value_of(term: Term, job: Job, x: Tensor, dead: Tensor | None) -> Tensor:
    target = x if job.sae.schema.n_targets is None else mapped(x)
    step = job.sae.run(x, target, needs=term.needs, dead=dead)
    if isinstance(term, StatisticTerm):
        return term.value(term.statistic(step, job.sae), job.sae)
    assert isinstance(term, SampleTerm)
    return step.mean(term.per_sample(step, job.sae))


@pytest.mark.parametrize("name", TERMS)
def test_a_term_moves_what_it_declares_and_no_bias_that_it_does_not(name: str) -> None:
    job, x, dead = term_setting(name)
    for spec in [
        name,
        *({"name": name, "of": of} for of in ("encoder", "decoder", "both") if "of" in knobs("term", name)),
    ]:
        term = build("term", spec)
        assert term.check(job.sae, job.trainer.facts) is None
        parameters = {key: getattr(job.sae, key) for key in ("W_enc", "b_enc", "W_dec", "b_dec")}
        found = torch.autograd.grad(value_of(term, job, x, dead), list(parameters.values()), allow_unused=True)
        moved = {
            key for key, gradient in zip(parameters, found, strict=True) if gradient is not None and gradient.any()
        }
        assert set(term.moves) <= moved, spec
        if term.needs == {"weights"}:
            assert moved == set(term.moves), spec


class Held(TorchFunctionMode):
    """What is detached keeps the value that it had the first time: it is held still, and no part of a derivative."""

    def __init__(self, kept: list[Tensor], *, again: bool) -> None:
        super().__init__()
        self.kept = kept
        self.again: Iterator[Tensor] | None = iter(kept) if again else None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not Tensor.detach:
            return func(*args, **(kwargs or {}))
        if self.again is None:
            self.kept.append(args[0].detach().clone())
            return self.kept[-1]
        return next(self.again)


STEP = 3e-5


def directions(parameters: Sequence[Tensor], seed: int) -> list[Tensor]:
    dice = torch.Generator().manual_seed(seed)
    return [torch.randn(p.shape, generator=dice, dtype=torch.float64) for p in parameters]


@torch.no_grad()
def moved(value: Callable[[], Tensor], parameters: Sequence[Tensor], ways: Sequence[Tensor], by: float) -> Tensor:
    """A value elsewhere."""
    for p, w in zip(parameters, ways, strict=True):
        p.add_(w, alpha=by)
    result = value()
    for p, w in zip(parameters, ways, strict=True):
        p.add_(w, alpha=-by)
    return result


def steady_samples(job: Job, x: Tensor, parameters: Sequence[Tensor], seed: int) -> Tensor:
    """The samples whose codes do not jump on the way that `directional_error` goes: no choice changes there."""
    ways = directions(parameters, seed)
    low, high = (moved(lambda: job.sae.encode(x).dense(), parameters, ways, by) for by in (-2 * STEP, 2 * STEP))
    return x[(high - low).abs().amax(1) < 1e-2]


def directional_error(value: Callable[[], Tensor], parameters: Sequence[Tensor], seed: int) -> float:
    """|analytic − numeric| / (|analytic| + |numeric|) along a random direction, by central differences."""
    ways = directions(parameters, seed)
    kept: list[Tensor] = []
    with Held(kept, again=False):
        found = torch.autograd.grad(value(), parameters, allow_unused=True)
    analytic = sum(float((g * w).sum()) for g, w in zip(found, ways, strict=True) if g is not None)

    def at(steps: int) -> float:
        with Held(kept, again=True):
            return float(moved(value, parameters, ways, steps * STEP))

    # the five-point rule, whose own error is of the fourth order
    numeric = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * STEP)
    return abs(analytic - numeric) / max(abs(analytic) + abs(numeric), 1e-12)


@pytest.mark.parametrize("name", TERMS)
def test_the_gradient_of_a_term_is_that_of_its_value(name: str) -> None:
    job, x, dead = term_setting(name)
    x = smooth_samples(job, x)
    assert len(x) > 20
    term = build("term", name)
    term.check(job.sae, job.trainer.facts)
    # what a term holds still is not in its derivative: it is differentiated by the parameters that it moves
    held = {"auxk": ["W_enc", "b_enc", "W_dec"], "nudge": ["b_enc"]}
    parameters = [getattr(job.sae, key) for key in held.get(name, ["W_enc", "b_enc", "W_dec", "b_dec"])]
    if name == "nudge":
        value = lambda: nudged(job, x, dead)  # noqa: E731
    elif name == "auxk":
        left = (x - job.sae(x)).detach()
        value = lambda: explained_by_dead(job, x, dead, left)  # noqa: E731
        torch.testing.assert_close(value(), value_of(term, job, x, dead))
    else:
        value = lambda: value_of(term, job, x, dead)  # noqa: E731
    if name in held:
        for ours, written in zip(
            torch.autograd.grad(value_of(term, job, x, dead), parameters),
            torch.autograd.grad(value(), parameters),
            strict=True,
        ):
            torch.testing.assert_close(ours, written)
    for seed in range(5):
        assert directional_error(value, parameters, seed) < 1e-7


def explained_by_dead(job: Job, x: Tensor, dead: Tensor, left: Tensor) -> Tensor:
    """AuxK written out, with what it holds still given; eight dead features are all among the largest."""
    sae = job.sae
    pre = (x - sae.b_dec) @ sae.W_enc[dead].T + sae.b_enc[dead]
    return 0.5 * (pre.relu() @ sae.W_dec[dead] - left).square().sum(1).mean()


def nudged(job: Job, x: Tensor, dead: Tensor) -> Tensor:
    """The nudge written out: through the bias alone, for dead features that are never positive."""
    sae = job.sae
    pre = (x - sae.b_dec.detach()) @ sae.W_enc.detach().T + sae.b_enc
    lost = dead & (pre.detach() <= 0).all(0)
    assert 0 < int(lost.sum()) < int(dead.sum())
    return -pre[:, lost].sum(1).mean() * job.trainer.facts.power**0.5 / sae.n_latents


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_gradient_of_the_whole_loss_is_that_of_its_value(name: str) -> None:
    job = toy_job(name)
    sae = job.sae.double().train()
    parameters = list(sae.parameters())
    with torch.no_grad():
        dice = torch.Generator().manual_seed(5)
        for parameter in parameters:
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=dice, dtype=torch.float64))
    smooth = smooth_samples(job, samples(20_000).double())

    for seed in range(5):
        x = steady_samples(job, smooth, parameters, seed)
        assert len(x) > 20

        def loss(x: Tensor = x) -> Tensor:
            values = [term.weight * value_of(term, job, x, None) for term in job.trainer.objective.terms.values()]
            return torch.stack(values).sum()

        assert directional_error(loss, parameters, seed) < 1e-7


# --- preprocess, corruption, augmentation, initialisation ------------------------------------------------------------


def fitted(name: str, x: Tensor) -> Preprocess:
    part = build("preprocess", name)
    part.setup(x.shape[1])
    part.fit(lambda: iter(x.split(10)), Schema(n_inputs=x.shape[1]))
    return part.double()


ALIKE: dict[str, Callable[[Tensor], Tensor]] = {
    "unit_norm": lambda x: 3 * x / x.norm(dim=1, keepdim=True),
    "remove_mean": lambda x: x - x.mean(1, keepdim=True) + 3,
    "normalise_contrast": lambda x: x / x.std(1, keepdim=True),
}
"""Samples that are alike in what preprocessing takes out of each, without which it cannot be undone."""


def alike(name: str) -> Tensor:
    dice = torch.Generator().manual_seed(0)
    x = 5 * samples(64).double() + torch.rand(64, 16, generator=dice, dtype=torch.float64) + 2
    return ALIKE.get(name, lambda x: x)(x)


@pytest.mark.parametrize("name", names("preprocess"))
def test_preprocessing_is_undone_by_its_inverse(name: str) -> None:
    x = alike(name)
    part = fitted(name, x)
    torch.testing.assert_close(part.inverse(part(x)), x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", names("preprocess"))
def test_what_preprocessing_takes_out_of_a_sample_is_restored(name: str) -> None:
    x = 5 * samples(64).double() + 2
    part = fitted(name, x)
    torch.testing.assert_close(part.restore(part(x), x), x, rtol=1e-5, atol=1e-5)
    chain = Chain([part, fitted("scale", part(x))])
    torch.testing.assert_close(chain.restore(chain(x), x), x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", names("preprocess"))
def test_filters_and_rows_in_raw_units_act_on_raw_samples(name: str) -> None:
    x = alike(name)
    chain = Chain([fitted(name, x)])
    W = torch.randn(3, x.shape[1], dtype=torch.float64)
    change = chain(x[:8]) - chain(x[8:16])
    torch.testing.assert_close(change @ W.T, (x[:8] - x[8:16]) @ chain.filters_in_raw_units(W).T, rtol=1e-4, atol=1e-6)
    y = chain(x[:3])
    moved = chain.inverse(y + W) - chain.inverse(y)
    torch.testing.assert_close(moved, chain.rows_in_raw_units(W))


@pytest.mark.parametrize("name", names("preprocess"))
def test_preprocessing_is_saved_with_the_model(name: str, tmp_path: Path) -> None:
    sae = toy_job("topk", preprocess=[name]).sae.eval()
    sae.save(tmp_path / "model.safetensors")
    x = samples(16)
    again = SAE.load(tmp_path / "model.safetensors").preprocess
    assert not torch.equal(again(x), x)
    torch.testing.assert_close(again(x), sae.preprocess(x), rtol=0, atol=0)
    torch.testing.assert_close(again.inverse(x), sae.preprocess.inverse(x), rtol=0, atol=0)


def batch_of(positions: Tensor, step: int, x: Tensor) -> Batch:
    return Batch(build("source", "arrays", data=x), positions, positions, len(x), step)


@pytest.mark.parametrize("name", names("corruption"))
def test_noise_is_fresh_for_every_sample_and_step_and_does_not_depend_on_the_sharing(name: str) -> None:
    corrupt = build("corruption", name)
    x = torch.full((64, 16), 0.5)
    everything = torch.arange(64)
    whole = corrupt(x, batch_of(everything, 7, x), 0)
    assert not torch.equal(whole, x)
    assert not torch.equal(whole[0], whole[1])
    assert not torch.equal(whole, corrupt(x, batch_of(everything, 8, x), 0))
    assert not torch.equal(whole, corrupt(x, batch_of(everything, 7, x), 1))
    torch.testing.assert_close(corrupt(x[1::2], batch_of(everything[1::2], 7, x), 0), whole[1::2], rtol=0, atol=0)


@pytest.mark.parametrize("name", names("augmentation"))
def test_augmentation_does_not_depend_on_the_sharing(name: str) -> None:
    augment = build("augmentation", name)
    x, everything = torch.rand(64, 28 * 28), torch.arange(64)
    pictures = Schema(n_inputs=28 * 28, shape=(28, 28))
    whole = augment(x, batch_of(everything, 7, x), pictures, 0)
    assert whole.shape == x.shape
    assert not torch.equal(whole, x)
    assert not torch.equal(whole, augment(x, batch_of(everything, 8, x), pictures, 0))
    part = augment(x[1::2], batch_of(everything[1::2], 7, x), pictures, 0)
    torch.testing.assert_close(part, whole[1::2], rtol=0, atol=0)
    assert augment.check(toy_source(pictures=False).schema) is not None


@pytest.mark.parametrize("name", names("initialisation"))
def test_a_start_is_a_function_of_the_seed(name: str) -> None:
    first, second, other = (toy_job("topk", initialisation=name, seed=seed).sae for seed in (0, 0, 1))
    assert digest(first) == digest(second) != digest(other)


@pytest.mark.parametrize("name", TERMS)
def test_a_name_that_is_taken_is_refused(name: str) -> None:
    if name in ("squared_error", "auxk", "nudge"):
        with pytest.raises(SparsightError, match="is there already, from the architecture 'topk'"):
            toy_job("topk", terms={name: {}})


def test_the_dictionary_of_the_toys_is_of_unit_rows() -> None:
    torch.testing.assert_close(dictionary().norm(dim=1), torch.ones(20))
