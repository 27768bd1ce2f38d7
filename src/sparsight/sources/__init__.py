"""Where samples come from; one file each."""

from pathlib import Path
from typing import Any

from sparsight import downloads
from sparsight.errors import SparsightError, did_you_mean
from sparsight.spec import discover, factory, names

discover(__name__, __path__)


def open_source(path: str) -> dict[str, Any]:
    """The spec of the source that reads a path, found by asking every registered source.

    Raises:
        SparsightError: nothing is there, or nothing reads it.
    """
    for name in names("source"):
        found = _asked(name, path)
        if found is not None:
            return {"name": name, **found}
    if not Path(path).exists():
        raise SparsightError(
            f"there is no file or folder {path!r}; {did_you_mean(path, {*known(), *downloads.names()})}"
        )
    raise SparsightError(
        f"nothing reads {path!r}: give .npy, .npz, .safetensors, .csv, .parquet, .h5ad, MNIST's idx, or a folder of "
        "pictures, of shards or of another store"
    )


def known() -> list[str]:
    """The names of data that need no file, or whose files were fetched."""
    fetched = [name for name in downloads.names() if downloads.read(name).here]
    return [*(name for name in names("source") if _asked(name, name) == {}), *fetched]


def _asked(name: str, path: str) -> dict[str, Any] | None:
    """What a source answers to a path; one that is a plain function opens nothing."""
    opens = getattr(factory("source", name), "opens", None)
    return None if opens is None else opens(path)
