"""Fills the pages of parts, recipes and commands from what there is, so that there is no second list of them."""

import importlib
import inspect
from typing import Any

import typer
from rich.text import Text

from sparsight import recipes, spec
from sparsight.cli.app import app


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put generated text where a page asks for it."""
    for marker, fill in (("<!-- parts -->", parts), ("<!-- recipes -->", shelf), ("<!-- commands -->", commands)):
        if marker in markdown:
            markdown = markdown.replace(marker, fill())
    return markdown


def parts() -> str:
    """Every registered part by kind: its name, what it does, its knobs; then all that its docstring says."""
    return "\n\n".join(_kind(kind) for kind in spec.kinds())


def _kind(kind: str) -> str:
    package = spec.factory(kind, spec.names(kind)[0]).__module__.rpartition(".")[0]
    said = inspect.getdoc(importlib.import_module(package)) or ""
    lines = [f"## {kind}", said.splitlines()[0], "| name | what it does | knobs |\n|---|---|---|"]
    details = []
    for name in spec.names(kind):
        made = spec.factory(kind, name)
        first = (inspect.getdoc(made) or "").splitlines()[0]
        knobs = ", ".join(
            f"`{knob}`" if p.default is p.empty else f"`{knob} = {_short(p.default)}`"
            for knob, p in spec.knobs(kind, name).items()
        )
        lines[-1] += f"\n| `{name}` | {_cell(first)} | {_cell(knobs)} |"
        details.append(f"::: {made.__module__}.{made.__qualname__}\n    options:\n      members: false")
    return "\n\n".join([*lines, *details])


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else repr(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def shelf() -> str:
    """Every recipe: what it does, the original beside ours, and the file."""
    texts = []
    for name in recipes.names():
        recipe = recipes.read(name)
        body = (recipes.HERE / f"{name}.toml").read_text(encoding="utf-8").strip()
        texts.append(f"## {name}\n\n{recipe['summary']}\n\n```toml\n{body}\n```")
    return "\n\n".join(texts)


def commands() -> str:
    """Every command: what it does, its arguments and options."""
    program: Any = typer.main.get_command(app)
    return "\n\n".join(_command(command) for command in program.commands.values())


def _command(command: Any) -> str:
    rows, usage = [], ""
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            name = parameter.name.upper() + ("..." if parameter.nargs == -1 else "")
            usage += f" {name}" if parameter.required else f" [{name}]"
            names = [name]
        else:
            names = [*parameter.opts, *parameter.secondary_opts]
        default = f"; by default `{parameter.default}`" if isinstance(parameter.default, str) else ""
        said = _cell(parameter.help.removesuffix("."))
        rows.append(f"| {', '.join(f'`{name}`' for name in names)} | {said}{default} |")
    text = Text.from_markup(inspect.cleandoc(command.help)).plain
    table = "\n".join(["| argument or option | meaning |", "|---|---|", *rows])
    return f"## `sparsight {command.name}{usage}`\n\n{text}\n\n{table}"
