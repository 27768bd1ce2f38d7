"""`sparsight convert`."""

from pathlib import Path

from rich.console import Console

from sparsight import interchange
from sparsight.errors import SparsightError
from sparsight.interchange.known_answer import Checked


def convert(path: Path, out: Path, *, to: str, data: str | None, console: Console) -> None:
    """Read a model from anywhere and write it as another system reads it.

    Raises:
        SparsightError: it cannot be read, written or expressed there, or does not fit the data; then nothing is
            written.
    """
    if out.exists():
        raise SparsightError(f"there is already something at {str(out)!r}: choose another name or remove it")
    read = interchange.opened(path)
    checked: Checked | None = None if data is None else interchange.check(read.sae, data)
    notes = [*read.notes, *(() if checked is None else checked.notes), *interchange.write(read.sae, out, to)]

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    name = read.sae.architecture["name"]
    say(f"{path} is {name}, {read.sae.n_inputs:,} inputs and {read.sae.n_latents:,} features")
    if checked is not None:
        say(f"check    {checked}")
    for note in notes:
        say(f"note     {note}")
    say(f"written to {out} for {to}")
