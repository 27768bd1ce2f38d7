"""Readers of files of numbers: each takes a path and a key and gives an array."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from sparsight.errors import SparsightError


def read(path: Path, key: str | None) -> Any:
    """The array in a file.

    Raises:
        SparsightError: the file is missing, empty, of another kind, damaged or cut off, or the key does not fit.
    """
    if not path.is_file():
        raise SparsightError(f"there is no file {str(path)!r}")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise SparsightError(
            f"{str(path)!r} cannot be read: these can, {', '.join(READERS)}; tables are for the source `tables`"
        )
    if not path.stat().st_size:
        raise SparsightError(f"{str(path)!r} is empty")
    try:
        return reader(path, key)
    except SparsightError:
        raise
    except Exception as error:  # over damaged bytes the readers raise a dozen types, none of them documented
        said = " ".join(str(error).split())
        raise SparsightError(f"{str(path)!r} is damaged, cut off or no {path.suffix} file ({said})") from None


def _npy(path: Path, key: str | None) -> Any:
    return np.lib.format.open_memmap(path, mode="r")  # it refuses objects, so nothing is ever unpickled


def _npz(path: Path, key: str | None) -> Any:
    if not zipfile.is_zipfile(path):
        raise ValueError("its table of contents is missing")
    with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:  # NumPy leaves its own open on errors
        return file[_choose(path, list(file.files), key)]


def _safetensors(path: Path, key: str | None) -> Any:
    with safe_open(path, framework="pt") as file:
        return file.get_tensor(_choose(path, list(file.keys()), key))


def _choose(path: Path, there: list[str], key: str | None) -> str:
    if key is None and len(there) == 1:
        return there[0]
    if key not in there:
        asked = "give a key" if key is None else f"there is no {key!r}"
        raise SparsightError(f"{str(path)!r} holds {', '.join(sorted(there)) or 'nothing'}: {asked}")
    assert key is not None
    return key


READERS = {".npy": _npy, ".npz": _npz, ".safetensors": _safetensors}
