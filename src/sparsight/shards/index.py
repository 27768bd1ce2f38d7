"""What a folder of shards says of itself: one JSON index for each process that writes there."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sparsight.errors import SparsightError
from sparsight.run import read_json

VERSION = 1
"""Of the format."""
TYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "uint8": torch.uint8,
    "int32": torch.int32,
    "int64": torch.int64,
}
"""What a column can hold, little-endian."""
WIDE = ("float32", "float16", "bfloat16", "uint8")
"""What `x` can hold."""
NUMBERS = ("int32", "int64")
"""What every other column holds."""
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_INDEX = re.compile(rf"index-({_PLAIN.pattern})\.json")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


Name = Annotated[str, Field(pattern=rf"^{_PLAIN.pattern}$")]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Column(_Frozen):
    """What a column holds."""

    type: Literal["float32", "float16", "bfloat16", "uint8", "int32", "int64"]
    width: Annotated[int, Field(ge=1)] | None = None
    """Numbers in a row; None: one, and the column is [n] and not [n, 1]."""

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return TYPES[self.type].itemsize * (self.width or 1)

    def __str__(self) -> str:
        return self.type if self.width is None else f"{self.type} × {self.width}"


class Shard(_Frozen):
    """One set of column files; its number is its place in the index, and names them."""

    rows: Annotated[int, Field(ge=1)]
    sha256: dict[Name, Hash]
    """Of the file of each column."""
    note: Any = None
    """What its writer has to say of its last row, such as where to go on."""


class Index(_Frozen):
    """What one process wrote."""

    version: Literal[1]
    columns: dict[Name, Column]
    about: dict[str, Any] = {}
    """What the rows are, in words that a reader knows."""
    complete: bool
    """Nothing more will come."""
    shards: list[Shard]


def check_columns(columns: dict[str, Column]) -> str | None:
    """Why a folder cannot have these columns; None: it can."""
    if "x" not in columns or columns["x"].width is None or columns["x"].type not in WIDE:
        return f"needs a column x of {', '.join(WIDE)} and a width"
    for name, column in columns.items():
        if not re.fullmatch(_PLAIN, name):
            return f"cannot have a column {name!r}: take letters, digits, _ and -"
        if name != "x" and (column.width is not None or column.type not in NUMBERS):
            return f"has a column {name!r} of {column}: all but x are {' or '.join(NUMBERS)}, one number for each row"
    return None


def index_file(folder: Path, writer: str) -> Path:
    """Where the index of a writer is.

    Raises:
        SparsightError: a writer cannot have that name.
    """
    if not re.fullmatch(_PLAIN, writer):
        raise SparsightError(f"a writer of shards cannot be called {writer!r}: take letters, digits, _ and -")
    return folder / f"index-{writer}.json"


def column_file(folder: Path, writer: str, number: int, column: str) -> Path:
    """Where a column of a shard is: no name is read from an index, so none can lead out of the folder."""
    return folder / column_name(writer, number, column)


def column_name(writer: str, number: int, column: str) -> str:
    """What the file of a column of a shard is called."""
    return f"{writer}-{number:05d}.{column}"


def read_index(path: Path) -> Index:
    """An index, checked.

    Raises:
        SparsightError: it is damaged, or of a newer format.
    """
    said = read_json(path)
    version = said.get("version") if isinstance(said, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise SparsightError(
            f"{str(path)!r} is of format {version}, and this sparsight reads up to {VERSION}: install a newer one"
        )
    try:
        index = Index.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise SparsightError(f"{str(path)!r} is no index of shards: {where}: {first['msg']}") from None
    wrong = check_columns(index.columns)
    if wrong is None and any(set(shard.sha256) != set(index.columns) for shard in index.shards):
        wrong = "has shards without a checksum for each column"
    if wrong is not None:
        raise SparsightError(f"{str(path)!r} is no index of shards: it {wrong}")
    return index


@dataclass(frozen=True)
class Part:
    """A shard of a folder."""

    writer: str
    number: int
    start: int
    """The number of its first row among all."""
    shard: Shard


@dataclass(frozen=True)
class Folder:
    """All that is complete in a folder of shards."""

    path: Path
    indexes: dict[str, Index]
    """By writer, sorted."""

    @cached_property
    def parts(self) -> list[Part]:
        """The shards in the order of their rows."""
        found, start = [], 0
        for writer, index in self.indexes.items():
            for number, shard in enumerate(index.shards):
                found.append(Part(writer, number, start, shard))
                start += shard.rows
        return found

    @property
    def columns(self) -> dict[str, Column]:
        """The same in all shards."""
        return next(iter(self.indexes.values())).columns

    @property
    def about(self) -> dict[str, Any]:
        """What the first writer says of the rows."""
        return next(iter(self.indexes.values())).about

    @property
    def complete(self) -> bool:
        """Whether every writer has come to its end."""
        return all(index.complete for index in self.indexes.values())

    def __len__(self) -> int:
        return sum(part.shard.rows for part in self.parts)

    @property
    def size(self) -> int:
        """Bytes of all columns."""
        return len(self) * sum(column.row_bytes for column in self.columns.values())

    def file(self, part: Part, column: str) -> Path:
        """Where a column of a shard is."""
        return column_file(self.path, part.writer, part.number, column)

    def files(self) -> Iterator[tuple[Path, int, str]]:
        """Every file, with the bytes and the checksum that it should have."""
        for part in self.parts:
            for name, column in self.columns.items():
                yield self.file(part, name), part.shard.rows * column.row_bytes, part.shard.sha256[name]


def is_folder(path: str | Path) -> bool:
    """Whether there are shards."""
    return Path(path).is_dir() and any(_INDEX.fullmatch(place.name) for place in Path(path).iterdir())


def open_folder(path: str | Path) -> Folder:
    """What is complete in a folder of shards; every file is there and has its size.

    Raises:
        SparsightError: no shards, shards that do not belong together, or a file that is missing or cut off.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise SparsightError(f"there is no folder {str(path)!r}")
    named = {found[1]: place for place in folder.iterdir() if (found := _INDEX.fullmatch(place.name))}
    if not named:
        raise SparsightError(f"{str(path)!r} holds no shards: there is no index-*.json in it")
    indexes = {writer: read_index(named[writer]) for writer in sorted(named)}
    first = next(iter(indexes))
    for writer, index in indexes.items():
        if index.columns != indexes[first].columns:
            raise SparsightError(
                f"the shards in {str(path)!r} do not belong together: {_said(indexes[first])} by the writer {first!r}, "
                f"{_said(index)} by {writer!r}"
            )
    opened = Folder(folder, indexes)
    for place, size, _ in opened.files():
        if not place.is_file():
            raise SparsightError(f"{str(place)!r} is missing, and the index names it: copy it again, or write anew")
        if place.stat().st_size != size:
            raise SparsightError(
                f"{str(place)!r} has {place.stat().st_size:,} bytes and not {size:,}: copy it again, or write anew"
            )
    return opened


def _said(index: Index) -> str:
    return ", ".join(f"{name} ({column})" for name, column in index.columns.items())
