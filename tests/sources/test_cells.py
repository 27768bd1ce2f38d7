import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from anndata import AnnData

from sparsight.errors import SparsightError
from sparsight.job import Recipe, prepare
from sparsight.sources.cells import Cells

COUNTS = np.random.default_rng(0).poisson(0.7, (12, 7)).astype(np.float32)
COUNTS[3] = 0
GENES = [f"gene {n}" for n in range(7)]


def toy(sparse: bool = True) -> AnnData:
    made = AnnData(sp.csr_matrix(COUNTS) if sparse else COUNTS.copy(), var=pd.DataFrame(index=pd.Index(GENES)))
    made.raw = made.copy()
    made.layers["doubled"] = 2 * made.X  # type: ignore[operator]
    made.obsm["X_pca"] = COUNTS[:, :2] - 1
    made.obsm["parts"] = pd.DataFrame({"first": COUNTS[:, 0]}, index=made.obs_names)
    made.obs["type"] = pd.Categorical(["T", "B", None] * 4, categories=["T", "B", "NK"])
    made.obs["donor"] = ["a", "b", "c", "d"] * 3
    made.obs["batch"] = [1, 2] * 6
    return made


def stored(folder: Path, made: AnnData | None = None) -> str:
    path = folder / "cells.h5ad"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (made or toy()).write_h5ad(path)
    return str(path)


def all_of(source: Cells) -> np.ndarray:
    return source.gather(torch.arange(len(source))).numpy()


@pytest.mark.parametrize("sparse", [True, False])
def test_cells_are_rows_and_genes_their_inputs_in_a_file_as_in_memory(sparse: bool, tmp_path: Path) -> None:
    in_memory = Cells(data=toy(sparse))
    in_file = Cells(path=stored(tmp_path, toy(sparse)))
    for source in (in_memory, in_file):
        assert source.schema.names == tuple(GENES)
        np.testing.assert_array_equal(all_of(source), COUNTS)
        assert sp.issparse(source.base) == sparse
    assert in_memory.fingerprint() == in_file.fingerprint()


def test_layers_raw_and_representations_can_be_chosen() -> None:
    np.testing.assert_array_equal(all_of(Cells(data=toy(), layer="doubled")), 2 * COUNTS)
    np.testing.assert_array_equal(all_of(Cells(data=toy()[:, :3].copy(), layer="raw")), COUNTS)
    part = Cells(data=toy(), obsm="X_pca")
    assert part.schema.names == ("X_pca 0", "X_pca 1")
    np.testing.assert_array_equal(all_of(part), COUNTS[:, :2] - 1)
    assert Cells(data=toy(), obsm="parts").schema.names == ("parts first",)


def test_a_part_of_the_cells_is_taken_as_it_is() -> None:
    chosen = toy()[[5, 2]]
    np.testing.assert_array_equal(all_of(Cells(data=chosen)), COUNTS[[5, 2]])


def test_labels_are_a_column_of_obs_in_its_own_order() -> None:
    source = Cells(data=toy(), label="type")
    labels = source.labels()
    assert source.schema.classes == ("T", "B", "NK")
    assert labels is not None and labels.tolist() == [0, 1, -1] * 4
    assert Cells(data=toy(), label="batch").schema.classes == ("1", "2")


def test_cells_of_a_donor_stay_together_when_some_are_held_out() -> None:
    kept, held = Cells(data=toy(), group="donor").split(0.25, 0)
    assert held is not None
    assert (len(kept), len(held)) == (9, 3)
    groups = held.groups()
    assert groups is not None and len(groups.unique()) == 1


@pytest.mark.parametrize("sparse", [True, False])
def test_counts_become_logarithms_of_their_share_of_the_cell(sparse: bool) -> None:
    source = Cells(data=toy(sparse), per_cell=100.0)
    depth = np.where(COUNTS.sum(1) > 0, COUNTS.sum(1), 1)
    np.testing.assert_allclose(all_of(source), np.log1p(100 * COUNTS / depth[:, None]), rtol=1e-5)
    np.testing.assert_allclose(np.expm1(all_of(source)).sum(1), np.where(COUNTS.sum(1) > 0, 100, 0), rtol=1e-4)
    assert sp.issparse(source.base) == sparse
    assert source.fingerprint() != Cells(data=toy(sparse)).fingerprint()
    np.testing.assert_array_equal(all_of(Cells(data=toy(sparse))), COUNTS)


def test_counts_that_are_taken_as_they_are_get_a_note() -> None:
    recipe = Recipe.parse({"architecture": "topk", "n_latents": 4, "train": {"epochs": 1.0}})
    assert any("these look like counts" in note for note in prepare(recipe, Cells(data=toy())).notes)
    for quiet in (Cells(data=toy(), per_cell=1e4), Cells(data=toy(), obsm="X_pca")):
        assert not any("counts" in note for note in prepare(recipe, quiet).notes)


def refused(said: str, **knobs: Any) -> None:
    with pytest.raises(SparsightError, match=said) as caught:
        Cells(**knobs)
    assert "\n" not in str(caught.value)


def without(part: str) -> AnnData:
    made = toy()
    made.obs[part] = [None, *made.obs[part][1:]]
    return made


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({}, "takes a path or an AnnData in memory: give one of the two"),
        ({"data": toy(), "layer": "raw", "obsm": "X_pca"}, "takes a layer or a part of obsm: give one of the two"),
        ({"data": COUNTS}, "the cells are of type ndarray: give an AnnData"),
        ({"data": toy(), "layer": "double"}, "the AnnData has no layer 'double'; did you mean 'doubled'"),
        ({"data": toy(), "obsm": "pca"}, "obsm of the AnnData has no 'pca'; did you mean 'X_pca'"),
        ({"data": toy(), "label": "typ"}, "obs of the AnnData has no column 'typ'; did you mean 'type'"),
        ({"data": toy(), "group": "doner"}, "did you mean 'donor'"),
        ({"data": without("donor"), "group": "donor"}, "1 cells of the AnnData have no 'donor': give each one"),
        (
            {"data": AnnData(obs=pd.DataFrame(index=pd.Index(["a", "b"])))},
            "the AnnData has no X: choose a layer; there is: none",
        ),
        ({"data": AnnData(COUNTS - 1), "per_cell": 1e4}, "holds values that are no counts, below 0 or not finite"),
        ({"data": AnnData(COUNTS), "per_cell": 0.0}, "per_cell should be greater than 0"),
        ({"data": toy()[:0]}, "the AnnData holds 0 samples"),
        ({"path": "gone.h5ad"}, "there is no file 'gone.h5ad'"),
        ({"path": __file__}, "cannot be read: cells are in .h5ad files"),
    ],
)
def test_a_mistake_is_one_sentence(knobs: dict[str, Any], said: str) -> None:
    refused(said, **knobs)


def test_a_file_that_is_not_whole_is_named(tmp_path: Path) -> None:
    whole, path = Path(stored(tmp_path)).read_bytes(), tmp_path / "cut.h5ad"
    for length in (1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        refused(r"cut\.h5ad' is damaged, cut off or no \.h5ad file", path=str(path))
    path.write_bytes(b"")
    refused("is empty", path=str(path))


def test_without_anndata_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stored(tmp_path)
    monkeypatch.setitem(sys.modules, "anndata", None)
    refused(r"single cells need anndata: pip install 'sparsight\[cells\]'", path=path)
