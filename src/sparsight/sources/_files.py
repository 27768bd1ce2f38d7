"""Readers of files of numbers: each takes a path and a key and gives an array and the names of its columns."""

import csv
import zipfile
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from sparsight.errors import SparsightError

Names = tuple[str, ...] | None


def read(path: Path, key: str | None) -> tuple[Any, Names]:
    """The array in a file, and the names of its columns where the file has them.

    Raises:
        SparsightError: the file is missing, empty, of another kind, damaged or cut off, or the key does not fit.
    """
    if not path.is_file():
        raise SparsightError(f"there is no file {str(path)!r}")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise SparsightError(f"{str(path)!r} cannot be read: these can, {', '.join(READERS)}")
    if not path.stat().st_size:
        raise SparsightError(f"{str(path)!r} is empty")
    try:
        return reader(path, key)
    except SparsightError:
        raise
    except Exception as error:  # over damaged bytes the readers raise a dozen types, none of them documented
        said = " ".join(str(error).split())
        raise SparsightError(f"{str(path)!r} is damaged, cut off or no {path.suffix} file ({said})") from None


def _npy(path: Path, key: str | None) -> tuple[Any, Names]:
    return np.lib.format.open_memmap(path, mode="r"), None  # it refuses objects, so nothing is ever unpickled


def _npz(path: Path, key: str | None) -> tuple[Any, Names]:
    if not zipfile.is_zipfile(path):
        raise ValueError("its table of contents is missing")
    with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:  # NumPy leaves its own open on errors
        return file[_choose(path, list(file.files), key)], None


def _safetensors(path: Path, key: str | None) -> tuple[Any, Names]:
    with safe_open(path, framework="pt") as file:
        return file.get_tensor(_choose(path, list(file.keys()), key)), None


def _choose(path: Path, there: list[str], key: str | None) -> str:
    if key is None and len(there) == 1:
        return there[0]
    if key not in there:
        asked = "give a key" if key is None else f"there is no {key!r}"
        raise SparsightError(f"{str(path)!r} holds {', '.join(sorted(there)) or 'nothing'}: {asked}")
    assert key is not None
    return key


def _csv(path: Path, key: str | None) -> tuple[Any, Names]:
    """A table whose first line names the columns, unless there are only numbers and gaps in it."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = _lines(file)
        first = next(lines, None)
        if first is None:
            raise SparsightError(f"{str(path)!r} is empty")
        header = first[1]
        named = any(cell.strip() and _number(cell) is None for cell in header)
        names = tuple(cell.strip() for cell in header) if named else tuple(f"column {n}" for n in range(len(header)))
        values = array("f")  # the numbers alone: the text of a large table is many times their size
        if not named:
            values.extend(_row(path, *first, names))
        for line, cells in lines:
            values.extend(_row(path, line, cells, names))
    return np.frombuffer(values, np.float32).reshape(-1, len(names)), names


def _lines(file: Any) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not blank, with the line it ends on, as editors count."""
    rows = csv.reader(file)
    yield from ((rows.line_num, cells) for cells in rows if cells)


def _row(path: Path, line: int, cells: list[str], names: tuple[str, ...]) -> Iterator[float]:
    if len(cells) != len(names):
        raise SparsightError(f"line {line} of {str(path)!r} has {len(cells)} values and not {len(names)}")
    for cell, name in zip(cells, names, strict=True):
        value = _number(cell)
        if value is None:
            said = "a value is missing: fill it in or leave the line out"
            if cell.strip():
                said = f"{cell.strip()!r} is no number: leave the column out or encode it"
            raise SparsightError(f"line {line}, column {name!r} of {str(path)!r}: {said}")
        yield value


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


READERS = {".npy": _npy, ".npz": _npz, ".csv": _csv, ".safetensors": _safetensors}
