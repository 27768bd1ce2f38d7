"""Data sets that can be fetched: a TOML file each, with mirrors and checksums. Reading them needs no torch."""

import os
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sparsight.errors import SparsightError, did_you_mean

HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class File:
    """A file of a data set."""

    name: str
    sha256: str
    """Of its content, unpacked where the name ends in .gz: who packs it anew changes the packed bytes alone."""
    size: int
    """Of that content, in bytes."""
    packed: int
    """About how many bytes are fetched."""


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """What can be fetched, and from where."""

    name: str
    summary: str
    licence: str
    source: str
    """The name of the source that reads it."""
    opens: str
    """The file that this source is given."""
    mirrors: tuple[str, ...]
    """Addresses of folders with all files, the best first."""
    files: tuple[File, ...]
    classes: tuple[str, ...] | None = None
    """The names of the labels, where the file has numbers alone."""

    @property
    def folder(self) -> Path:
        """Where it is, or will be."""
        return folder() / self.name

    @property
    def here(self) -> bool:
        """Whether all its files are in their place; `get` puts none there whose checksum is wrong."""
        return all((self.folder / file.name).is_file() for file in self.files)

    @property
    def megabytes(self) -> float:
        """How much is fetched."""
        return sum(file.packed for file in self.files) / 1e6

    def path(self) -> Path:
        """The file that its source is given.

        Raises:
            SparsightError: it was not fetched yet; the sentence says how.
        """
        if not self.here:
            raise SparsightError(
                f"{self.name} is not here yet: `sparsight data get {self.name}` fetches {self.megabytes:.0f} MB"
            )
        return self.folder / self.opens


def folder() -> Path:
    """Where data sets are kept: `SPARSIGHT_DATA`, or what the platform has for such files."""
    asked = os.environ.get("SPARSIGHT_DATA")
    if asked:
        return Path(asked).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "sparsight"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "sparsight" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sparsight"


def names(source: str | None = None) -> list[str]:
    """What can be fetched, sorted; only what a source reads, where one is named."""
    found = sorted(path.stem for path in HERE.glob("*.toml"))
    return found if source is None else [name for name in found if read(name).source == source]


@cache
def read(name: str) -> DataSet:
    """A data set by its name.

    Raises:
        SparsightError: there is none such.
    """
    if name not in names():
        raise SparsightError(f"there is no data set {name!r} to fetch; {did_you_mean(name, names())}")
    found: dict[str, Any] = tomllib.loads((HERE / f"{name}.toml").read_text(encoding="utf-8"))
    files = tuple(File(**file) for file in found.pop("files"))
    lists = {key: tuple(value) for key, value in found.items() if isinstance(value, list)}
    return DataSet(name=name, files=files, **{**found, **lists})


def known(path: str, source: str) -> DataSet | None:
    """The data set that a path means to a source: it is a name, and nothing else is there."""
    return read(path) if path in names(source) and not Path(path).exists() else None
