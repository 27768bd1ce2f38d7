"""Where models live."""

import torch

from sparsight.errors import SparsightError


def choose_device(asked: str) -> str:
    """A device that works; `auto` takes an accelerator where there is one.

    Raises:
        SparsightError: the device cannot be used here.
    """
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=asked)
    except (RuntimeError, AssertionError) as error:
        raise SparsightError(f"the device {asked!r} cannot be used here: {str(error).splitlines()[0]}") from None
    return asked
