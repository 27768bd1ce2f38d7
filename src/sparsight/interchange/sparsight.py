"""Sparsight's own files."""

from pathlib import Path

from safetensors import SafetensorError, safe_open

from sparsight.core import SAE
from sparsight.errors import SparsightError
from sparsight.interchange._format import Format, Read
from sparsight.run import Run
from sparsight.spec import register

FILE = "model.safetensors"


@register("interchange", "sparsight")
class Sparsight(Format):
    """A run, its `model.safetensors`, or a file of another name that `SAE.save` wrote."""

    def __init__(self) -> None: ...

    def opens(self, path: Path) -> bool:
        if path.is_dir():
            return (path / "recipe.json").is_file() or _ours(path / FILE)
        return _ours(path)

    def read(self, path: Path) -> Read:
        if path.is_dir() and (path / "recipe.json").is_file():
            return Read(sae=Run.open(path).sae())
        return Read(sae=SAE.load(path / FILE if path.is_dir() else path))

    def write(self, sae: SAE, folder: Path) -> tuple[str, ...]:
        try:
            sae.save(folder / FILE)
        except (OSError, SafetensorError) as error:
            raise SparsightError(f"cannot write to {str(folder)!r}: {error}") from None
        return ()


def _ours(path: Path) -> bool:
    """Whether a safetensors file says that it is ours."""
    if path.suffix != ".safetensors" or not path.is_file():
        return False
    try:
        with safe_open(path, framework="pt") as file:
            return "sparsight" in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False
