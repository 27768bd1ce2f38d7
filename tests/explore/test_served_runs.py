"""Runs by key."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from toys import samples

from sparsight.errors import SparsightError
from sparsight.explore.shelf import KEPT, Shelf
from sparsight.job import Recipe, train
from sparsight.run import Run
from sparsight.spec import build


def small(path: Path, seed: int = 0) -> Run:
    spec = {"n_latents": 8, "architecture": {"name": "topk", "k": 2}, "train": {"epochs": 1.0}, "seed": seed}
    return train(Recipe.parse(spec), path, build("source", "arrays", data=samples()))


def test_runs_are_found_in_folders_and_in_theirs(tmp_path: Path) -> None:
    small(tmp_path / "one")
    small(tmp_path / "sweep" / "two")
    small(tmp_path / "other" / "one")
    (tmp_path / "nothing").mkdir()
    shelf = Shelf([tmp_path])
    assert set(shelf.runs()) == {"one", "two", "other.one"}
    assert shelf.run("other.one").path == tmp_path / "other" / "one"
    assert Shelf([tmp_path / "one"]).home == tmp_path
    assert shelf.home == tmp_path
    small(tmp_path / "late")
    assert shelf.run("late").path.name == "late"
    shutil.rmtree(tmp_path / "late")
    with pytest.raises(SparsightError, match="there is no run 'late' here; there is: one"):
        shelf.run("late")


def test_a_model_is_loaded_once_and_again_when_it_has_changed(tmp_path: Path) -> None:
    small(tmp_path / "a")
    shelf = Shelf([tmp_path])
    first = shelf.opened("a")
    assert shelf.opened("a") is first
    weights = first.sae.W_dec.clone()
    shutil.rmtree(tmp_path / "a")
    small(tmp_path / "a", seed=1)
    assert shelf.opened("a") is not first
    assert not shelf.opened("a").sae.W_dec.equal(weights)


def test_only_some_runs_are_kept_open(tmp_path: Path) -> None:
    for n in range(KEPT + 2):
        small(tmp_path / f"r{n}")
    shelf = Shelf([tmp_path])
    first = shelf.opened("r0")
    for n in range(1, KEPT + 2):
        shelf.opened(f"r{n}")
    assert shelf.opened("r0") is not first


def test_data_that_were_in_memory_can_be_given_again(tmp_path: Path) -> None:
    small(tmp_path / "a")
    with pytest.raises(SparsightError, match="given in memory"):
        _ = Shelf([tmp_path]).opened("a").source
    np.save(tmp_path / "x.npy", samples())
    given = Shelf([tmp_path], {"name": "arrays", "path": str(tmp_path / "x.npy")})
    assert len(given.opened("a").source) == len(samples())
