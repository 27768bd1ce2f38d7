"""What pictures of faults are made with: networks of the bench of broken models, and grids of their filters."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from faults import bench
from faults.faulty_data import Data, data
from faults.faulty_nets import decode, encode, fit
from torch import Tensor
from torch.nn import functional

from sparsight.core import Logged
from sparsight.run import Run
from sparsight.views.pictures import coloured, grid, tiled

Picture = np.ndarray | str
PICTURES: dict[str, Callable[[], Picture]] = {}
COLUMNS = 6
Net = dict[str, Tensor]


def picture(draw: Callable[[], Picture]) -> Callable[[], Picture]:
    """What the function draws is the rule that it is named after, `_small_batch` the rule `small-batch`."""
    PICTURES[draw.__name__.strip("_").replace("_", "-")] = draw
    return draw


@cache
def net(on: str, change: Callable[[Tensor], Tensor] = torch.clone, few: int | None = None, **how: Any) -> Net:
    """Trained weights; each network once."""
    return fit(change(data(on).train[:few]), **how)


def codes(weights: Net, x: Tensor, *, act: str = "sigmoid", k: int = 0, **_: Any) -> Tensor:
    """[n, F]."""
    return encode(weights, x, act, k)


def rebuilt(weights: Net, x: Tensor, *, out: str = "linear", **how: Any) -> Tensor:
    """[n, D]."""
    return decode(weights, codes(weights, x, **how), out)


def explained(x: Tensor, recon: Tensor) -> float:
    """1 − Σ‖x − recon‖² / Σ‖x − mean‖²."""
    return 1 - float((x - recon).square().sum() / (x - x.mean(0)).square().sum())


def zoom(on: str) -> int:
    """Pixels of the picture per pixel of a sample, so that samples of all data are about as large."""
    return round(50 / _shape(data(on))[0])


def _shape(given: Data) -> tuple[int, ...]:
    assert given.shape is not None
    return given.shape


def filters(on: str, *parts: Tensor, **how: Any) -> np.ndarray:
    """The first few of each part, one part below the other, each filter on its own scale."""
    n = (3 if len(parts) == 1 else 2) * COLUMNS
    each = [part[:n].split(COLUMNS) for part in parts]
    mixed = torch.cat([row for block in zip(*each, strict=True) for row in block])
    return grid(mixed, _shape(data(on)), zoom=zoom(on), columns=COLUMNS, **how)


def samples(on: str, *parts: Tensor, columns: int = COLUMNS) -> np.ndarray:
    """A few of each part, one part below the other, from black at 0 to white at 1."""
    height, width = _shape(data(on))[:2]
    tiles = coloured(torch.cat([part[:columns] for part in parts]).reshape(-1, height, width, 1))
    return tiled(tiles, columns).repeat(zoom(on), axis=0).repeat(zoom(on), axis=1)


def ran(on: str, **recipe: Any) -> list[Logged]:
    """The log of a run of the bench."""
    with TemporaryDirectory() as folder:
        bench.run(None, on, "run", **recipe).look(Path(folder))
        return Run.open(Path(folder) / "run").log()


def ran_filters(on: str, **recipe: Any) -> Tensor:
    """The encoder of a run of the bench, in raw units."""
    with TemporaryDirectory() as folder:
        bench.run(None, on, "run", **recipe).look(Path(folder))
        return Run.open(Path(folder) / "run").sae().filters_of_inputs()["encoder"]


def nearest(rows: Tensor, others: Tensor, *, itself: bool = True) -> Tensor:
    """Of `others` the one with the largest cosine to each row; `itself`: its own place does not count."""
    cosines = functional.normalize(rows, dim=1) @ functional.normalize(others, dim=1).T
    if itself:
        cosines.fill_diagonal_(-1)
    return others[cosines.argmax(1)]


def sorted_curve(values: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Places from 0 to 1, and the values in order."""
    found = values.sort().values.numpy()
    return np.linspace(0, 1, len(found)), found
