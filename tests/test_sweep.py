"""Many models over one pass have the bits that each has alone."""

import builtins
import json
import shutil
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from toys import toy_source

from sparsight import sweeps
from sparsight.augmentations.shift import Shift
from sparsight.core import Source
from sparsight.errors import SparsightError
from sparsight.job import Recipe, train
from sparsight.preprocess.affine import Scale
from sparsight.run import Run
from sparsight.sources.arrays import Arrays
from sparsight.sweeps import Sweep, sweep, training
from sparsight.sweeps.grid import Grid, axis

RECIPE = {
    "name": "toy",
    "n_latents": 24,
    "architecture": {"name": "topk", "k": 4},
    "preprocess": ["scale"],
    "corruption": "gaussian",
    "train": {
        "epochs": 3.0, "batch_size": 64, "log_every": 4, "checkpoint_every": 5, "dead_after": 300, "hold_out": 0.1,
    },
}  # fmt: skip

SHIFT = {"name": "shift", "pixels": 1}


def recipe(**changes: Any) -> Recipe:
    return Recipe.parse({**RECIPE, **changes})


def weights(found: Sweep) -> dict[str, str]:
    digests = {}
    for run in found.runs():
        assert run.summary is not None
        digests[run.path.name] = run.summary["weights"]
    return digests


class Observer:
    """Does something at a step of the n-th model that reaches it."""

    def __init__(self, step: int, nth: int, do: Any) -> None:
        self.step, self.nth, self.do, self.seen = step, nth, do, 0

    def on_log(self, logged: Any) -> None:
        self.seen += logged.step == self.step
        if logged.step == self.step and self.seen == self.nth:
            self.do()

    def on_checkpoint(self, step: int) -> None: ...

    def on_end(self, reason: str) -> None: ...


class StopError(Exception):
    pass


def stop() -> None:
    raise StopError


# --- what is written -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "values"),
    [
        ("architecture.k=8,16", ["8", "16"]),
        ("seed=0..3", ["0", "1", "2", "3"]),
        ("seed=-1..0,7", ["-1", "0", "7"]),
        ("train.lr=1e-4..1e-1:4", ["0.0001", "0.001", "0.01", "0.1"]),
        ("train.lr=.5..2.0:3", ["0.5", "1.0", "2.0"]),
        ("architecture.k=8..64:4", ["8", "16", "32", "64"]),
        ("train.betas=[0.9, 0.99],[0.5,0.9]", ["[0.9, 0.99]", "[0.5,0.9]"]),
        ('source.path="a,b.npy",../c.npy', ['"a,b.npy"', "../c.npy"]),
    ],
)
def test_values_are_read_as_they_are_written(change: str, values: list[str]) -> None:
    assert list(axis(change).values) == values


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["architecture.k"], "is no change: write key=value"),
        (["architecture.k=3..1"], "'architecture.k=3..1' is empty: a range goes from the smaller number"),
        (["architecture.k=1,,2"], "has an empty value"),
        (["architecture.k="], "has an empty value"),
        (["architecture.k=1,2,1"], "has 1 twice"),
        (["architecture.k=1,2", "architecture.k=3"], "'architecture.k' is given twice"),
        (["train.lr=1e-4..1e-1"], "say how many, as in train.lr=1e-4..1e-1:4"),
        (["train.lr=0.0..1e-1:4"], "both ends lie above 0"),
        (["train.lr=1e-3..1e-1:1"], "2 to 4,096"),
        (["seed=0..100000"], "sweep at most 4,096 models"),
        (["seed=0..99", "n_latents=1..99"], "this grid has 9,900 models"),
        (["architecture.k=8"], "nothing is swept: give a key several values"),
        ([], "nothing is swept"),
        (["architecture.kk=1,2"], "has no 'kk'; did you mean 'k'"),
        (["trian.lr=1,2"], "has no 'trian'; did you mean 'train'"),
        (["architecture.k=1,2.5"], "architecture 'topk'.k should be a valid integer, got 2.5"),
        (["seed=0..x"], "seed should be a valid integer, got '0..x'"),
    ],
)
def test_a_mistake_in_the_grid_is_one_sentence_and_leaves_nothing(
    changes: list[str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(SparsightError) as error:
        sweep(recipe(), changes, tmp_path / "sweep", toy_source())
    assert said in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_grid_is_the_product_of_all_values_and_one_value_alone_is_for_all() -> None:
    grid = Grid(recipe(), ["architecture.k=2,3", "n_latents=20", "seed=0..1"])
    assert [point.name for point in grid.points()] == ["k=2,seed=0", "k=2,seed=1", "k=3,seed=0", "k=3,seed=1"]
    made = [grid.recipe(point.changes) for point in grid.points()]
    assert [(r.n_latents, r.architecture["k"], r.seed) for r in made] == [
        (20, 2, 0),
        (20, 2, 1),
        (20, 3, 0),
        (20, 3, 1),
    ]
    assert [r.of_data for r in made] == [0, 0, 0, 0]
    assert grid.values(grid.points()[1]) == {"architecture.k": 2, "seed": 1}


def test_keys_that_end_alike_are_written_out_and_names_are_names_of_folders() -> None:
    changes = ["terms.l2.weight=0.1,0.2", 'terms."l2.decoder".weight=0.1,0.2', "initialisation=uniform,data"]
    points = Grid(recipe(), changes).points()
    assert len({point.name for point in points}) == 8
    assert points[0].name.startswith("terms.l2.weight=0.1,terms._l2.decoder_.weight=0.1,initialisation=uniform-")


# --- one pass --------------------------------------------------------------------------------------------------------


def test_each_model_has_the_bits_that_it_has_alone(tmp_path: Path) -> None:
    changes = ["architecture=topk,relu_l1", "seed=0..1", "train.epochs=1.0,1.5"]
    found = sweep(recipe(augmentations=[SHIFT], architecture="topk"), changes, tmp_path / "sweep", toy_source())
    assert len(found.runs()) == 8
    for run in found.runs():
        assert run.summary is not None
        alone = train(Recipe.parse(run.recipe), tmp_path / run.path.name, toy_source())
        assert alone.summary is not None
        assert run.summary["weights"] == alone.summary["weights"]
        assert run.summary["quality"] == alone.summary["quality"]
        assert [line.loss for line in run.log()] == [line.loss for line in alone.log()]
    assert len(set(weights(found).values())) == 8


def test_micro_batches_and_early_stops_have_the_same_bits_too(tmp_path: Path) -> None:
    asked = recipe(train={**RECIPE["train"], "epochs": 9.0, "patience": 1, "evaluate_every": 2, "lr": 0.3})
    found = sweep(asked, ["train.micro_batch_size=16,24", "train.lr=0.3,1.0"], tmp_path / "sweep", toy_source())
    assert {run.summary["ended"] for run in found.runs() if run.summary} == {"early stop"}
    for run in found.runs():
        alone = train(Recipe.parse(run.recipe), tmp_path / run.path.name, toy_source())
        assert alone.summary is not None and run.summary is not None
        assert run.summary["weights"] == alone.summary["weights"]


def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often batches of 64 are read, and moved, and scaled."""
    counts: Counter[str] = Counter()
    for of, name in ((Arrays, "gather"), (Shift, "__call__"), (Scale, "forward")):
        real = getattr(of, name)

        def call(self: Any, given: Any, *more: Any, real: Any = real, what: str = of.__name__) -> Any:
            counts[what] += len(given) == 64
            return real(self, given, *more)

        monkeypatch.setattr(of, name, call)
    return counts


def test_each_batch_is_read_moved_and_scaled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = counted(monkeypatch)
    asked = recipe(augmentations=[SHIFT])
    sweep(asked, ["architecture.k=2,3,4", "seed=0..1"], tmp_path / "sweep", toy_source())
    steps = Run.open(tmp_path / "sweep" / "k=2,seed=0").log()[-1].steps
    assert counts == {"Arrays": steps, "Shift": steps, "Scale": steps}


def test_models_that_differ_in_preprocessing_share_what_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = counted(monkeypatch)
    found = sweep(recipe(), ['preprocess=["scale"],["centre", "scale"]'], tmp_path / "sweep", toy_source())
    monkeypatch.undo()
    steps = found.runs()[0].log()[-1].steps
    assert counts == {"Arrays": steps, "Scale": 2 * steps}
    for run in found.runs():
        alone = train(Recipe.parse(run.recipe), tmp_path / run.path.name, toy_source())
        assert alone.summary is not None and run.summary is not None
        assert run.summary["weights"] == alone.summary["weights"]


def test_what_changes_the_batches_has_a_pass_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[int] = []
    real = training.Pass.train

    def call(self: training.Pass, observers: Any) -> bool:
        passes.append(len(self.points))
        return real(self, observers)

    monkeypatch.setattr(training.Pass, "train", call)
    changes = ["train.batch_size=32,64", "data_seed=0..1", "architecture.k=2,3", "seed=0..1"]
    asked = recipe(train={**RECIPE["train"], "epochs": 0.3})
    assert len(sweep(asked, changes, tmp_path / "sweep", toy_source()).runs()) == 16
    assert passes == [4, 4, 4, 4]


def test_a_model_whose_loss_is_no_number_stops_alone(tmp_path: Path) -> None:
    changes = ["train.lr=1e-3,1e20", "train.optimizer=sgd"]
    found = sweep(recipe(), changes, tmp_path / "sweep", toy_source())
    assert [run.path.name for run in found.runs()] == ["lr=1e-3"]
    assert "a lower train.lr is the first thing to try" in found.failed()["lr=1e20"]
    assert sweep(recipe(), changes, tmp_path / "sweep").failed() == found.failed()  # not tried again, nor the data read


# --- going on --------------------------------------------------------------------------------------------------------

CHANGES = ["architecture.k=2,3,4", "seed=0..1", "train.epochs=3"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The weights of a sweep that nothing interrupted."""
    found = weights(sweep(recipe(), CHANGES, tmp_path_factory.mktemp("whole") / "sweep", toy_source()))
    assert len(set(found.values())) == 6
    return found


@pytest.mark.parametrize(("step", "nth"), [(4, 1), (8, 4), (16, 6), (22, 2)])
def test_a_sweep_that_was_stopped_goes_on_to_the_same_bits(
    step: int, nth: int, whole: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(StopError):
        sweep(recipe(), CHANGES, tmp_path / "sweep", toy_source(), [Observer(step, nth, stop)])
    assert len(Sweep.open(tmp_path / "sweep").runs()) < 6
    again = Observer(step, 99, stop)
    found = sweep(recipe(), CHANGES, tmp_path / "sweep", toy_source(), [again])
    assert weights(found) == whole
    for run in found.runs():
        assert [line.step for line in run.log()] == [4, 8, 12, 16, 20, 22]


def test_ctrl_c_stops_all_after_a_step_with_checkpoints(whole: dict[str, str], tmp_path: Path) -> None:
    interrupt = Observer(8, 2, lambda: signal.raise_signal(signal.SIGINT))
    found = sweep(recipe(), CHANGES, tmp_path / "sweep", toy_source(), [interrupt])
    assert not found.runs()
    states = [Run.open(found.path / point.name).latest() for point in found.points()]
    assert [state and state["number"] for state in states] == [8] * 6
    assert weights(sweep(recipe(), CHANGES, tmp_path / "sweep", toy_source())) == whole


def test_those_behind_catch_up_and_those_ahead_wait(
    whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StopError):
        sweep(recipe(), CHANGES, tmp_path / "sweep", toy_source(), [Observer(12, 3, stop)])
    shutil.rmtree(tmp_path / "sweep" / "k=3,seed=1" / "checkpoints")
    shutil.rmtree(tmp_path / "sweep" / "k=4,seed=0")
    counts = counted(monkeypatch)
    assert weights(sweep(recipe(), CHANGES, tmp_path / "sweep", toy_source())) == whole
    assert counts["Arrays"] == 22


def test_another_grid_recipe_or_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StopError):
        sweep(recipe(), CHANGES, tmp_path / "sweep", toy_source(), [Observer(4, 1, stop)])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SparsightError, match=r"is another, toy with architecture\.k=2,3,4 seed=0\.\.1"):
        sweep(recipe(), ["architecture.k=2,3", "seed=0..1"], tmp_path / "sweep", toy_source())
    with pytest.raises(SparsightError, match="give the same recipe and values to go on with it"):
        sweep(recipe(n_latents=20), CHANGES, tmp_path / "sweep", toy_source())
    with pytest.raises(SparsightError, match="there is something else at"):
        sweep(recipe(), CHANGES, tmp_path / "sweep" / "k=2,seed=0", toy_source())
    with pytest.raises(SparsightError, match="the data are not those that"):
        sweep(recipe(), CHANGES, tmp_path / "sweep", toy_source(seed=2))
    assert sorted(tmp_path.rglob("*")) == before


def test_other_data_are_refused_even_where_all_models_that_began_have_ended(tmp_path: Path) -> None:
    changes = ["train.epochs=1.0,2.0"]
    with pytest.raises(StopError):
        sweep(recipe(), changes, tmp_path / "sweep", toy_source(), [Observer(12, 1, stop)])
    assert len(Sweep.open(tmp_path / "sweep").runs()) == 1
    shutil.rmtree(tmp_path / "sweep" / "epochs=2.0")
    with pytest.raises(SparsightError, match="the data are not those that"):
        sweep(recipe(), changes, tmp_path / "sweep", toy_source(seed=2))


# --- what does not fit -----------------------------------------------------------------------------------------------


def test_models_that_do_not_fit_together_are_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = sum(2 * 16 * n + n + 16 for n in (16, 24))
    monkeypatch.setattr(training, "free_memory", lambda device: 16 * parameters - 1)
    with pytest.raises(
        SparsightError, match=rf"the 2 models of one pass .*\(4 × {parameters:,} parameters × 4 bytes\)"
    ):
        sweep(recipe(), ["n_latents=16,24"], tmp_path / "sweep", toy_source())
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(training, "free_memory", lambda device: 16 * parameters)
    sweep(recipe(), ["n_latents=16,24"], tmp_path / "sweep", toy_source())


@pytest.mark.parametrize(
    ("changes", "source", "said"),
    [
        (["architecture.k=4,99"], toy_source(), "k is 99"),
        (["output=sigmoid,identity", 'preprocess=["centre"]'], toy_source(), "stays in \\[0, 1\\]"),
        (["architecture.k=4,5"], None, "names no data"),
        (["source=digits,digitz"], None, "unknown source 'digitz'"),
    ],
)
def test_what_cannot_be_trained_leaves_nothing(
    changes: list[str], source: Source | None, said: str, tmp_path: Path
) -> None:
    with pytest.raises(SparsightError, match=said):
        sweep(recipe(), changes, tmp_path / "sweep", source)
    assert list(tmp_path.iterdir()) == []


# --- a search --------------------------------------------------------------------------------------------------------

SPACE = ["architecture.k=2..8", "train.lr=1e-3..1e-1"]


def test_a_search_without_optuna_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *more: Any, **named: Any) -> Any:
        if name == "optuna":
            raise ImportError
        return real(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(SparsightError, match=r"a search needs Optuna: pip install 'sparsight\[sweep\]'"):
        sweep(recipe(), SPACE, tmp_path / "sweep", toy_source(), search=3)
    assert list(tmp_path.iterdir()) == []


def test_a_search_tries_what_lies_between_and_goes_on_to_the_same_trials(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    whole = sweep(recipe(), SPACE, tmp_path / "whole", toy_source(), search=10)
    assert len(whole.runs()) == 10
    for run in whole.runs():
        assert 2 <= run.recipe["architecture"]["k"] <= 8
        assert 1e-3 <= run.recipe["train"]["lr"] <= 1e-1
    with pytest.raises(StopError):
        sweep(recipe(), SPACE, tmp_path / "sweep", toy_source(), [Observer(12, 6, stop)], search=10)
    again = sweep(recipe(), SPACE, tmp_path / "sweep", toy_source(), search=10)
    assert weights(again) == weights(whole)
    assert json.loads((again.path / "trials.json").read_text()) == json.loads((whole.path / "trials.json").read_text())


def test_a_search_ends_where_all_has_been_tried(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    assert len(sweep(recipe(), ["architecture.k=2,3,5"], tmp_path / "sweep", toy_source(), search=9).runs()) == 3


def test_a_sweep_has_the_seed_of_nobody_else(tmp_path: Path) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    sweeps.sweep(recipe(), ["architecture.k=2,3"], tmp_path / "sweep", toy_source())
    assert torch.equal(torch.get_rng_state(), before)
