"""Single cells."""

import warnings
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import scipy.sparse as sp
import torch
from pydantic import Field
from torch import Tensor

from sparsight import downloads
from sparsight.core import Schema
from sparsight.errors import SparsightError, did_you_mean
from sparsight.sources import _given
from sparsight.sources._rows import Rows
from sparsight.spec import register

RAW = "raw"
"""The layer that is `AnnData.raw`."""
LOOKED_AT = 1000
"""Cells from which one sees whether values are counts."""


@register("source", "cells")
class Cells(Rows):
    """Single cells: an `.h5ad` file, or an `AnnData` in memory; a cell is a sample, and genes are its inputs.

    What is sparse stays sparse. Values are as they are in the data; counts become log(1 + per_cell · count / Σ counts)
    where `per_cell` is set. This is done to a cell by itself, so nothing is learned from those held out. It is no
    `Preprocess`: filters would have no units of the raw data, since it is not linear, and it cannot be undone without
    the depth of each cell.

    Args:
        path: the file, or the name of a data set that `sparsight data get` fetched.
        data: in its place an `AnnData`. No recipe can hold it.
        layer: which values; None: `X`; `raw`: those of `AnnData.raw`.
        obsm: in place of a layer, a representation of the cells such as `X_pca`.
        label: the column of `obs` with the label of each cell, such as its type.
        group: the column of `obs` that says which cells stay together when some are held out, such as a donor.
        per_cell: what the counts of a cell are made to sum to before the logarithm, such as 1e4.
    """

    def __init__(
        self,
        *,
        path: str | None = None,
        data: Any = None,
        layer: str | None = None,
        obsm: str | None = None,
        label: str | None = None,
        group: str | None = None,
        per_cell: Annotated[float, Field(gt=0)] | None = None,
    ) -> None:
        if (path is None) == (data is None):
            raise SparsightError("cells takes a path or an AnnData in memory: give one of the two")
        if layer is not None and obsm is not None:
            raise SparsightError("cells takes a layer or a part of obsm: give one of the two")
        self.path = path
        found = data if path is None else _opened(path)
        if not all(hasattr(found, part) for part in ("X", "obs", "obsm", "layers")):
            raise SparsightError(
                f"the cells are of type {type(found).__name__}: give an AnnData or the path of an .h5ad"
            )
        values, names = self._values(found, layer) if obsm is None else self._part(found.obsm, obsm)
        base = _given.numbers(values, self._what())
        if base.ndim != 2:
            raise SparsightError(f"{self._what()} has values of the shape {list(base.shape)}: cells are rows")
        classes, labels = (None, None) if label is None else self._column(found.obs, label)
        groups = None if group is None else self._column(found.obs, group)[1]
        if groups is not None and (groups < 0).any():
            raise SparsightError(f"{int((groups < 0).sum())} cells of {self._what()} have no {group!r}: give each one")
        if per_cell is None and obsm is None and _are_counts(base):
            self.notes = (
                f"{self._what()}: these look like counts, of which the depth of a cell says most; per_cell=1e4 takes "
                "their logarithms",
            )
        self._hold(
            base if per_cell is None else self._logarithms(base, per_cell),
            Schema(n_inputs=base.shape[1], names=names, classes=classes),
            labels=labels,
            groups=groups,
        )

    def _what(self) -> str:
        return "the AnnData" if self.path is None else repr(self.path)

    @classmethod
    def opens(cls, path: str) -> dict[str, str] | None:
        fits = Path(path).suffix.lower() == ".h5ad" and Path(path).is_file()
        return {"path": path} if fits or downloads.known(path, "cells") is not None else None

    def _values(self, found: Any, layer: str | None) -> tuple[Any, tuple[str, ...]]:
        """A layer and the names of its genes."""
        raw = found.raw
        layers = [*found.layers, *([RAW] if raw is not None else [])]
        if layer is not None and layer not in layers:
            raise SparsightError(f"{self._what()} has no layer {layer!r}; {did_you_mean(layer, layers)}")
        if raw is not None and layer == RAW and RAW not in found.layers:
            return raw.X, tuple(map(str, raw.var_names))
        values = found.X if layer is None else found.layers[layer]
        if values is None:
            raise SparsightError(f"{self._what()} has no X: choose a layer; there is: {', '.join(layers) or 'none'}")
        return values, tuple(map(str, found.var_names))

    def _part(self, parts: Any, name: str) -> tuple[Any, tuple[str, ...]]:
        if name not in parts:
            raise SparsightError(f"obsm of {self._what()} has no {name!r}; {did_you_mean(name, parts)}")
        values = parts[name]
        columns = getattr(values, "columns", range(values.shape[1]))  # it may be a data frame
        return values if sp.issparse(values) else np.asarray(values), tuple(f"{name} {column}" for column in columns)

    def _column(self, obs: Any, name: str) -> tuple[tuple[str, ...] | None, Tensor | None]:
        """The names of a column's values, and each cell's place among them."""
        if name not in obs:
            raise SparsightError(f"obs of {self._what()} has no column {name!r}; {did_you_mean(name, obs)}")
        column = obs[name]
        if hasattr(column, "cat"):  # categories have an order of their own
            places = np.array(column.cat.codes, np.int64)
            return tuple(map(str, column.cat.categories)), torch.from_numpy(places)
        return _given.classes(column.to_numpy(dtype=object, na_value=None))

    def _logarithms(self, counts: Any, per_cell: float) -> Any:
        """log(1 + per_cell · count / Σ counts), [N, D]; a cell without counts stays without."""
        counts = counts if sp.issparse(counts) else np.asarray(counts)
        values = counts.data if sp.issparse(counts) else counts
        if not np.isfinite(values).all() or (values < 0).any():
            raise SparsightError(
                f"{self._what()} holds values that are no counts, below 0 or not finite: leave per_cell out, or choose "
                "a layer of counts"
            )
        depth = np.asarray(counts.sum(1), np.float64).reshape(-1, 1)
        factor = np.divide(per_cell, depth, out=np.zeros_like(depth), where=depth > 0)
        if sp.issparse(counts):
            scaled: Any = sp.csr_matrix(sp.diags_array(factor[:, 0]) @ counts)
            return scaled.log1p().astype(np.float32)
        return torch.from_numpy(np.log1p(counts * factor).astype(np.float32))


def _are_counts(values: Any) -> bool:
    """Whether the first cells have whole numbers alone, and not only 0 and 1."""
    rows = values[:LOOKED_AT]
    some = np.asarray(rows.data if sp.issparse(rows) else rows)
    return bool(some.size and (some >= 0).all() and (some == np.floor(some)).all() and some.max() > 1)


def _opened(path: str) -> Any:
    known = downloads.known(path, "cells")
    place = Path(path) if known is None else known.path()
    if not place.is_file():
        raise SparsightError(f"there is no file {path!r}")
    if place.suffix.lower() != ".h5ad":
        raise SparsightError(f"{path!r} cannot be read: cells are in .h5ad files")
    if not place.stat().st_size:
        raise SparsightError(f"{path!r} is empty")
    try:
        import anndata
    except ImportError:
        raise SparsightError("single cells need anndata: pip install 'sparsight[cells]'") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of older layouts, which are read all the same
            return anndata.read_h5ad(place)
    except Exception as error:  # over damaged bytes HDF5 raises a dozen types, none of them documented
        said = " ".join(str(error).split())
        raise SparsightError(f"{path!r} is damaged, cut off or no .h5ad file ({said})") from None
