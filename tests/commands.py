"""The command line as a function."""

import sys

import pytest

from sparsight.cli import main


def sparsight(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of a command."""
    monkeypatch.setattr(sys, "argv", ["sparsight", *arguments])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0
