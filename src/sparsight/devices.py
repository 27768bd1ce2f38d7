"""Where models live."""

import re
from pathlib import Path

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


def free_memory(device: str) -> int | None:
    """Bytes that can still be had where models live; None where the system does not say."""
    if torch.device(device).type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    meminfo = Path("/proc/meminfo")
    if torch.device(device).type != "cpu" or not meminfo.is_file():
        return None
    found = re.search(r"^MemAvailable:\s*(\d+) kB", meminfo.read_text(), re.MULTILINE)
    return None if found is None else 1024 * int(found[1])
