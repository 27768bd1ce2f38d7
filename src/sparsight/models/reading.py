"""Activations of a model, block by block."""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from sparsight.core.taps import Tap
from sparsight.errors import SparsightError
from sparsight.feeds import Block, Feed
from sparsight.models.host import Host
from sparsight.spec import describe

Channels = Literal["first", "last"]
SMALLEST = 15
"""Rows of a picture, one after the other, that are not yet taken for a grid, or for a grid and a class token."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """What a layer gives.

    Attributes:
        width: D.
        cells: rows for each item; 1 for a text, whose rows the feed knows.
        grid: (rows, columns) of the cells, where they lie on one.
        skipped: rows before the first cell, such as a class token.
    """

    width: int
    cells: int = 1
    grid: tuple[int, int] | None = None
    skipped: int = 0


class Reading:
    """What some layers of a model give for all that is fed to it, in rows [n, D].

    Every token of a text is a row; of other items every place: [n, D] gives one, [n, places, D] many, and of
    [n, D, height, width] each pixel is one.

    Args:
        host: the model.
        feed: what goes into it.
        at: the layers, as `Tap` takes them.
        channels: where D is in four dimensions.
        special: keep a first row that lies on no grid, as the class token of a vision transformer.

    Raises:
        SparsightError: there is no such layer, the model fails on the first block, or what a layer gives are no rows.
    """

    def __init__(
        self, host: Host, feed: Feed, at: Sequence[str], *, channels: Channels = "first", special: bool = False
    ) -> None:
        self.host, self.feed, self.at = host, feed, list(at)
        self.channels, self.special = channels, special
        self.tap = Tap(host.module, at)
        self._last: tuple[int, Block] | None = None
        first = feed.block(0)
        given = self.outputs(first)
        self.sites = {name: self._site(name, given[name], first) for name in self.at}

    def outputs(self, block: Block) -> dict[str, Tensor]:
        """What the layers give for a block, as they give it."""
        device = self.host.device
        try:
            return self.tap(
                *(given.to(device) for given in block.args),
                **{name: given.to(device) for name, given in block.kwargs.items()},
            )
        except SparsightError:
            raise
        except Exception as error:  # whatever a model may raise
            shapes = ", ".join(str(list(given.shape)) for given in (*block.args, *block.kwargs.values()))
            said = " ".join(str(error).split())[:200]
            raise SparsightError(
                f"{self.host.name} failed on inputs of {shapes} ({type(error).__name__}: {said}): "
                "check that they are what it takes"
            ) from None

    def _site(self, name: str, given: Tensor, block: Block) -> Site:
        if given.ndim not in (2, 3, 4) or not given.is_floating_point():
            raise SparsightError(
                f"the layer {name!r} gives {list(given.shape)} of {given.dtype}: rows of floating-point numbers are "
                "needed, [n, D], [n, places, D] or [n, D, height, width]"
            )
        if block.keep is not None:
            if given.ndim != 3:
                raise SparsightError(f"the layer {name!r} gives {list(given.shape)}: one row for each token is needed")
            return Site(width=given.shape[2])
        if given.ndim == 4:
            rows, columns = given.shape[2:] if self.channels == "first" else given.shape[1:3]
            width = given.shape[1 if self.channels == "first" else 3]
            return Site(width=width, cells=rows * columns, grid=(rows, columns))
        if given.ndim == 2:
            return Site(width=given.shape[1])
        places = given.shape[1]
        pictures = self.feed.kind == "pictures" and places > SMALLEST
        skipped = int(pictures and not _square(places) and _square(places - 1) and not self.special)
        side = math.isqrt(places - skipped)
        on_grid = pictures and side * side == places - skipped
        return Site(
            width=given.shape[2],
            cells=places - skipped,
            grid=(side, side) if on_grid else None,
            skipped=skipped,
        )

    def rows(self, number: int, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
        """The samples of a block at each layer, [n, D], on the CPU.

        Raises:
            SparsightError: a layer gives rows of another width, or another number of them, than at first.
        """
        block = self._block(number)
        given = self.outputs(block)
        return {name: self._rows(name, given[name], block, number).to(dtype).cpu() for name in self.at}

    def _block(self, number: int) -> Block:
        """A block of the feed; the last one is kept, since rows and columns are asked for one after the other."""
        last = self._last
        if last is None or last[0] != number:
            last = self._last = number, self.feed.block(number)
        return last[1]

    def _rows(self, name: str, given: Tensor, block: Block, number: int) -> Tensor:
        site = self.sites[name]
        if given.ndim == 4 and self.channels == "first":
            given = given.permute(0, 2, 3, 1)
        rows = given.flatten(1, -2)[:, site.skipped :] if given.ndim > 2 else given[:, None]
        if rows.shape[2] != site.width:
            raise SparsightError(
                f"the layer {name!r} gives rows of {rows.shape[2]} in block {number}, and {site.width} in the first: "
                "a model whose width changes cannot be harvested"
            )
        rows = rows.flatten(0, 1)
        if block.keep is not None:
            return rows[block.keep.to(rows.device)]
        expected = site.cells * len(block.columns["item"])
        if len(rows) != expected:
            raise SparsightError(
                f"the layer {name!r} gives {len(rows)} rows in block {number} where {expected} are expected: "
                "give items of one size"
            )
        return rows

    def edited(
        self, name: str, given: Tensor, block: Block, change: Callable[[Tensor], Tensor], special: bool
    ) -> Tensor:
        """What a layer gives with its samples changed, [n, D] to [n, D]; where `special`, all other places, too."""
        site = self.sites[name]
        first = given.ndim == 4 and self.channels == "first"
        moved = given.movedim(1, -1) if first else given
        flat = moved.reshape(-1, site.width)
        if special or (block.keep is None and not site.skipped):
            found = change(flat.float()).to(flat)
        else:
            at = block.keep
            if at is None:
                cells = torch.arange(site.skipped, site.skipped + site.cells)
                at = (torch.arange(len(given))[:, None] * given.shape[1] + cells).flatten()
            found = flat.clone()
            found[at] = change(flat[at].float()).to(flat)
        found = found.view_as(moved)
        return found.movedim(-1, 1) if first else found

    def columns(self, name: str, number: int) -> dict[str, Tensor]:
        """What is known of the samples of a block at a layer, [n] each."""
        block, cells = self._block(number), self.sites[name].cells
        if block.keep is not None:
            return block.columns
        found = {key: column.repeat_interleave(cells) for key, column in block.columns.items()}
        return {**found, "position": torch.arange(cells).repeat(len(block.columns["item"]))}

    def counts(self, name: str) -> np.ndarray:
        """How many samples each block has at a layer, [blocks]."""
        return self.feed.rows(self.sites[name].cells)

    @cached_property
    def sha256(self) -> dict[str, str]:
        """Of the `model` and of the `feed`, each hashed once: weights may take seconds."""
        return {"model": self.host.fingerprint(), "feed": self.feed.fingerprint()}

    def fingerprint(self) -> str:
        """SHA-256 of the model, of what is fed to it, and of the layers."""
        text = f"{self.sha256['model']} {self.sha256['feed']} {self.at} {self.channels} {self.special}"
        return hashlib.sha256(text.encode()).hexdigest()

    def about(self, name: str) -> dict[str, Any]:
        """What is to be kept with the activations of a layer, as JSON has it."""
        grid = self.sites[name].grid
        found = {**self.feed.about(), "model": spec_of(self.host), "at": name, "feed": spec_of(self.feed)}
        if self.channels != "first" or self.special:
            found |= {"channels": self.channels, "special": self.special}
        if grid is not None:
            found["grid"] = list(grid)
        elif self.feed.kind == "pictures":  # without places there is nothing to show on them
            found["kind"] = "items"
        return found


def spec_of(part: Any) -> dict[str, Any] | None:
    """The spec of a part without the model that it was built with; None where it holds what no recipe can."""
    found = {key: value for key, value in describe(part).items() if key != "host"}
    try:
        return json.loads(json.dumps(found))
    except TypeError:
        return None


def _square(n: int) -> bool:
    return math.isqrt(n) ** 2 == n
