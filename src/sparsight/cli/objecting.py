"""`sparsight diagnose --objective`."""

import contextlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import typer
from rich.console import Console

from sparsight import objectives
from sparsight.cli.findings import tell
from sparsight.cli.printing import print_json
from sparsight.errors import SparsightError, did_you_mean


def diagnose_objective(path_and_name: str, *, as_json: bool, strict: bool, console: Console) -> None:
    """Print what is wrong with a function of a Python file, which is executed: name no file that you do not trust.

    Args:
        path_and_name: `file.py:function`, or `file.py` where it has only one.
        as_json: one JSON object on stdout.
        strict: exit with 1 where anything is found.
        console: what is printed to.

    Raises:
        SparsightError: there is no such file or function, it fails, or it cannot be diagnosed.
    """
    with console.status("calling the objective on crafted inputs"):
        found = objectives.diagnose_objective(opened(path_and_name))
    if as_json:
        print_json({"objective": path_and_name, "findings": [{**each.record(), "page": each.page} for each in found]})
    else:
        tell(found, console)
    if strict and found:
        raise typer.Exit(1)


def opened(path_and_name: str) -> Callable[..., Any]:
    """The function that is named.

    Raises:
        SparsightError: see `diagnose_objective`.
    """
    file, colon, name = path_and_name.rpartition(":")
    if not colon or name.endswith(".py"):
        file, name = path_and_name, ""
    path = Path(file)
    if path.suffix != ".py" or not path.is_file():
        what = "is no Python file" if path.exists() else "is not there"
        raise SparsightError(f"{file!r} {what}: name a function of yours as file.py:function")
    module = _executed(path)
    own = {key: value for key, value in vars(module).items() if _own(value, module)}
    if name and callable(found := getattr(module, name, None)):
        return found
    if name:
        raise SparsightError(f"{file} has no function {name!r}; {did_you_mean(name, own)}")
    if len(own) != 1:
        raise SparsightError(f"{file} has {len(own)} functions: say which as {file}:NAME; {did_you_mean('', own)}")
    return next(iter(own.values()))


def _own(value: Any, module: ModuleType) -> bool:
    return callable(value) and getattr(value, "__module__", None) == module.__name__


def _executed(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"_objective_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        with _beside(path), contextlib.redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        said = (str(error).splitlines() or [""])[0]
        raise SparsightError(
            f"{path} fails as it is loaded, with {type(error).__name__}: {said}; "
            "put training and what needs data under `if __name__ == '__main__':`"
        ) from None
    return module


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[None]:
    """The file can import what lies beside it."""
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
