"""Files and folders of models: which format they are, read and written."""

from pathlib import Path

from sparsight.core import SAE
from sparsight.errors import SparsightError, did_you_mean
from sparsight.interchange._format import Format, Read
from sparsight.spec import build, names


def read(path: str | Path) -> SAE:
    """A model from a run, a file of ours, or the folder or file of another system, in evaluation mode.

    Its codes and reconstructions are those that the system itself gives. Which system it is, is seen by what is there.

    Raises:
        SparsightError: there is nothing, no format reads it, or the model cannot be expressed; the sentence says why.
    """
    return opened(path).sae


def opened(path: str | Path) -> Read:
    """What `read` gives, with notes: what the user should know of the model, a sentence each."""
    path = Path(path)
    if not path.exists():
        raise SparsightError(f"there is no file or folder {str(path)!r}")
    name = format_of(path)
    if name is None:
        raise SparsightError(
            f"{str(path)!r} is of no known format ({', '.join(names('interchange'))}): for arrays by name use "
            "interchange.arrays, with some data"
        )
    return _format(name).read(path)


def format_of(path: str | Path) -> str | None:
    """The name of the format of a path, found by asking every one; None: no format reads it."""
    return next((name for name in names("interchange") if _format(name).opens(Path(path))), None)


def write(sae: SAE, folder: str | Path, format: str) -> tuple[str, ...]:
    """Write a model as another system reads it; that system then gives the same codes and reconstructions.

    Preprocessing is folded into the weights.

    Args:
        sae: the model.
        folder: a new folder.
        format: `saelens`, `sparsify` or `sparsight`.

    Returns:
        Notes: what is not the same there, a sentence each.

    Raises:
        SparsightError: the folder is taken or cannot be written, or the system cannot express the model.
    """
    folder = Path(folder)
    if format not in names("interchange"):
        raise SparsightError(f"unknown format {format!r}; {did_you_mean(format, names('interchange'))}")
    if folder.exists():
        raise SparsightError(f"there is already something at {str(folder)!r}: choose another name or remove it")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise SparsightError(f"cannot write to {str(folder)!r}: {error.strerror}") from None
    try:
        return _format(format).write(sae, folder)
    except BaseException:
        if not any(folder.iterdir()):
            folder.rmdir()
        raise


def _format(name: str) -> Format:
    return build("interchange", name)
