"""What a row is a part of: a token of a text, or a place in a picture."""

from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from sparsight.core.records import Context
from sparsight.errors import SparsightError
from sparsight.run import read_json
from sparsight.shards.reading import Shards

GAP = "…"
"""Stands for a token that is not in the shards."""


class Surroundings(ABC):
    """Texts and pictures around rows, of which the columns `item`, `position` and `token` are known.

    Rows of an item that are near each other follow each other.
    """

    @property
    @abstractmethod
    def kind(self) -> str | None:
        """`text` or `pictures`, where all is known that it takes; None: rows are a whole each."""

    @abstractmethod
    def __len__(self) -> int:
        """How many rows there are."""

    @abstractmethod
    def column(self, name: str, rows: np.ndarray) -> list[int]:
        """A column at some rows."""

    @abstractmethod
    def whole(self, name: str) -> Tensor | None:
        """A column of all rows, [N]; None: it is not known."""

    @abstractmethod
    def words(self) -> list[str]:
        """The text of each token, where rows are of a text."""

    @property
    @abstractmethod
    def grid(self) -> tuple[int, int]:
        """Rows and columns of cells, which are the positions in a picture."""

    @abstractmethod
    def token(self, number: int) -> str:
        """The text of a token."""

    @abstractmethod
    def name(self, item: int) -> str:
        """What an item is called."""

    @abstractmethod
    def picture(self, item: int) -> np.ndarray | None:
        """The picture, [height, width, 3] uint8; None: it is not there."""

    def around(self, row: int, reach: int) -> Context | None:
        """What a row is a part of, with the numbers of rows in place of those of samples; None: it is a whole.

        Args:
            row: which.
            reach: tokens to both sides.

        Raises:
            SparsightError: what is known is damaged, or does not belong to these rows.
        """
        if self.kind is None:
            return None
        return self._text(row, reach) if self.kind == "text" else self._picture(row)

    def _text(self, row: int, reach: int) -> Context:
        item, rows = self._neighbours(row, reach)
        here = next(position for position, other in rows.items() if other == row)
        near = range(max(min(rows), here - reach), min(max(rows), here + reach) + 1)
        there = [rows[position] for position in near if position in rows]
        numbers = dict(zip(there, self.column("token", np.array(there)), strict=True))
        ids = tuple(rows.get(position, -1) for position in near)
        return Context(
            ids=ids,
            here=here - near.start,
            tokens=tuple(GAP if one < 0 else self.token(numbers[one]) for one in ids),
            origin=f"{self.name(item)}, token {here}",
        )

    def _picture(self, row: int) -> Context:
        grid = self.grid
        cells = grid[0] * grid[1]
        item, rows = self._neighbours(row, cells)
        here = next(position for position, other in rows.items() if other == row)
        picture = self.picture(item)
        if not 0 <= here < cells or picture is None:
            raise SparsightError(
                f"row {row} is cell {here} of picture {item}, and there are {cells} cells and no such picture: "
                "the pictures do not belong to these rows"
            )
        return Context(
            ids=tuple(rows.get(cell, -1) for cell in range(cells)),
            here=here,
            picture=picture,
            grid=grid,
            origin=self.name(item),
        )

    def _neighbours(self, row: int, reach: int) -> tuple[int, dict[int, int]]:
        """The item of a row, and the rows of that item around it by their positions."""
        near = np.arange(max(0, row - reach), min(len(self), row + reach + 1))
        items, positions = (self.column(name, near) for name in ("item", "position"))
        at = row - int(near[0])
        first = last = at
        while first and items[first - 1] == items[at]:
            first -= 1
        while last + 1 < len(items) and items[last + 1] == items[at]:
            last += 1
        found = {positions[n]: int(near[n]) for n in range(first, last + 1)}
        return items[at], {**found, positions[at]: row}


class Beside(Surroundings):
    """What lies beside shards.

    `vocabulary.json` is the text of each token, `items.json` the name of each item, and `pictures.npy` the pictures
    themselves, [n, height, width, 3] of uint8, whose grid `about` names.
    """

    def __init__(self, shards: Shards) -> None:
        self.shards, self.folder = shards, shards.folder

    @property
    def kind(self) -> str | None:
        asked, columns = self.folder.about.get("kind"), set(self.folder.columns)
        if asked == "text" and {"item", "position", "token"} <= columns and self._beside("vocabulary.json").is_file():
            return "text"
        if asked == "pictures" and {"item", "position"} <= columns and self._beside("pictures.npy").is_file():
            return "pictures"
        return None

    def __len__(self) -> int:
        return len(self.shards)

    def column(self, name: str, rows: np.ndarray) -> list[int]:
        return self.shards.read(name, rows).tolist()

    def whole(self, name: str) -> Tensor | None:
        return self.shards.whole(name).long() if name in self.folder.columns else None

    @property
    def grid(self) -> tuple[int, int]:
        grid = self.folder.about.get("grid")
        if not isinstance(grid, list) or len(grid) != 2 or not all(isinstance(n, int) and n > 0 for n in grid):
            raise SparsightError(f"{str(self.folder.path)!r} holds pictures, and its index has no grid [rows, columns]")
        return grid[0], grid[1]

    def picture(self, item: int) -> np.ndarray | None:
        return np.array(self._pictures[item]) if 0 <= item < len(self._pictures) else None

    @cached_property
    def _pictures(self) -> np.ndarray:
        place = self._beside("pictures.npy")
        try:
            found = np.lib.format.open_memmap(place, mode="r")
        except (ValueError, OSError, EOFError, SyntaxError) as error:
            raise SparsightError(f"{str(place)!r} is damaged or no .npy file ({error})") from None
        if found.dtype != np.uint8 or found.ndim != 4 or found.shape[3] != 3:
            raise SparsightError(f"{str(place)!r} is {list(found.shape)} of {found.dtype}, not [n, h, w, 3] of uint8")
        return found

    def token(self, number: int) -> str:
        words = self._vocabulary
        return words[number] if 0 <= number < len(words) else f"[{number}]"

    def name(self, item: int) -> str:
        names = self._names
        return names[item] if 0 <= item < len(names) else f"item {item}"

    def words(self) -> list[str]:
        return self._vocabulary

    @cached_property
    def _vocabulary(self) -> list[str]:
        return _texts(self._beside("vocabulary.json"))

    @cached_property
    def _names(self) -> list[str]:
        place = self._beside("items.json")
        return _texts(place) if place.is_file() else []

    def _beside(self, name: str) -> Path:
        return self.folder.path / name


def _texts(place: Path) -> list[str]:
    found: Any = read_json(place)
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise SparsightError(f"{str(place)!r} is no list of texts")
    return found
