"""Fills the pages of parts, recipes, commands and faults from what there is, so that there is no second list."""

import importlib
import inspect
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer
from rich.text import Text

from sparsight import recipes, spec
from sparsight.cli.app import app

FAULTS = Path(__file__).parent / "faults"
FOUND = r"print\(found.*\)  # (D\d+) (red|amber) (\S+)"
"""What the page of a fault of objectives alone prints of it, which the tests of the docs hold true."""


def on_config(config: Any, **_: Any) -> None:
    """Add the page of each fault to the section of faults, in the order of their numbers."""
    section = next(entry["Faults"] for entry in config.nav if "Faults" in entry)
    section.append({"One by one": [f"faults/{name}.md" for _, name, *_ in _faults()]})


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put generated text where a page asks for it."""
    fills = {"parts": parts, "recipes": shelf, "commands": commands, "faults": faults, "confusion": confusion}
    for marker, fill in fills.items():
        if f"<!-- {marker} -->" in markdown:
            markdown = markdown.replace(f"<!-- {marker} -->", fill())
    return re.sub(r"<!-- rule (\S+) -->", lambda match: rule(match[1]), markdown)


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
    return "\n\n".join(_command(name, command) for name, command in every(program))


def every(program: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Every command with its name, those of groups after the name of theirs."""
    for name, command in program.commands.items():
        if hasattr(command, "commands"):
            yield from every(command, f"{above}{name} ")
        else:
            yield f"{above}{name}", command


def _command(name: str, command: Any) -> str:
    rows, usage = [], ""
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            word = parameter.name.upper() + ("..." if parameter.nargs == -1 else "")
            usage += f" {word}" if parameter.required else f" [{word}]"
            names = [word]
        else:
            names = [*parameter.opts, *parameter.secondary_opts]
        default = f"; by default `{parameter.default}`" if isinstance(parameter.default, str) else ""
        said = _cell(parameter.help.removesuffix("."))
        rows.append(f"| {', '.join(f'`{each}`' for each in names)} | {said}{default} |")
    text = Text.from_markup(inspect.cleandoc(command.help)).plain
    table = "\n".join(["| argument or option | meaning |", "|---|---|", *rows])
    return f"## `sparsight {name}{usage}`\n\n{text}\n\n{table}"


def rule(name: str) -> str:
    """How a registered rule recognises its fault: its docstring and limits, and what else it may explain."""
    made: Any = spec.factory("rule", name)
    said, meanings = _docstring(made)
    rows = [
        f"| `{knob}` | {_short(p.default)} | {_cell(meanings.get(knob, ''))} |"
        for knob, p in spec.knobs("rule", name).items()
    ]
    parts = [f"{made.id}, {' or '.join(_severities(made))}. {said}"]
    if rows:
        parts.append("\n".join(["| limit | | of what |", "|---|---|---|", *rows]))
    others = {other: spec.factory("rule", other) for other in spec.names("rule")}
    causes = sorted(other for other, of in others.items() if name in getattr(of, "explains", ()))
    for label, related in (("Its effects may be", sorted(made.explains)), ("It may be an effect of", causes)):
        if related:
            parts.append(f"{label} {', '.join(f'[{other}]({other}.md)' for other in related)}.")
    return "\n\n".join(parts)


def faults() -> str:
    """All faults: number, name, where each begins."""
    rows = [
        f"| {number} | [{_title(name)}]({name}.md) | `{name}` | {severities} | {limits} |"
        for number, name, severities, limits in _faults()
    ]
    return "\n".join(["| | fault | rule | | limits |", "|---|---|---|---|---|", *rows])


def confusion() -> str:
    """What was found first in each model of the bench, by what was planted in it, for both halves of the bench."""
    halves = json.loads((FAULTS / "confusion.json").read_text(encoding="utf-8"))
    return "\n\n".join(part for name, models in halves.items() for part in _half(name, models))


def _half(name: str, models: list[dict[str, Any]]) -> list[str]:
    faulty = [model for model in models if model["planted"]]
    healthy = [model for model in models if not model["planted"]]
    first, three = (sum(_within(model, n) for model in faulty) for n in (1, 3))
    red, amber = (sum(s in dict(model["found"]).values() for model in healthy) for s in ("red", "amber"))
    said = (
        f"Of {len(faulty)} models with a fault it is the first finding in {first} ({first / len(faulty):.1%}), and "
        f"among the first three in {three} ({three / len(faulty):.1%}). Of {len(healthy)} healthy ones {red} have a "
        f"red finding, and {amber} an amber one."
    )
    unlike = [
        f"- {model['kind']}, {model['data']}: planted was {_coded([model['planted']])}, found "
        f"{_coded(rule for rule, _ in model['found'][:3])}"
        for model in models
        if (model["found"] if model["planted"] is None else not _within(model, 1))
    ]
    listed = ["Where the first finding is another, or a healthy model has one:", "\n".join(unlike)] if unlike else []
    return [f"## Models that limits were {name}", said, _matrix(models), *listed]


def _coded(names: Iterable[str | None]) -> str:
    return ", ".join(f"`{name}`" for name in names if name) or "nothing"


def _within(model: dict[str, Any], n: int) -> bool:
    return model["planted"] in [rule for rule, _ in model["found"][:n]]


def _matrix(models: list[dict[str, Any]]) -> str:
    """A row for each planted fault, a column for each first finding by its number, such as 10 for D10."""
    counts = Counter((model["planted"], model["found"][0][0] if model["found"] else None) for model in models)
    number = {name: key for key, name, *_ in _faults()}
    columns = sorted({found for _, found in counts if found}, key=lambda name: number[name])
    head = ["planted", "models", *(number[column].removeprefix("D") for column in columns), "none"]
    rows = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    planted = sorted({p for p, _ in counts if p}, key=lambda name: number[name])
    for p in [*planted, None]:
        cells = [f"**{n}**" if c == p else str(n or "") for c in [*columns, None] for n in [counts[p, c]]]
        label = "healthy" if p is None else f"{number[p]} [{p}]({p}.md)"
        rows.append(f"| {label} | {sum(n for (q, _), n in counts.items() if q == p)} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _faults() -> list[tuple[str, str, str, str]]:
    """Number, name, severities and limits of every fault, in order: of rules, and of objectives alone."""
    found = []
    for name in spec.names("rule"):
        made: Any = spec.factory("rule", name)
        limits = ", ".join(f"{knob} {_short(p.default)}" for knob, p in spec.knobs("rule", name).items())
        found.append((made.id, name, ", ".join(_severities(made)), limits))
    known = {name for _, name, *_ in found}
    for page in FAULTS.glob("*.md"):
        printed = re.search(FOUND, page.read_text(encoding="utf-8"))
        if page.stem not in known and printed:
            found.append((printed[1], page.stem, printed[2], "of an objective"))
    return sorted(found)


def _severities(made: Any) -> list[str]:
    """Those that the source of a rule names."""
    source = inspect.getsource(made)
    return [severity for severity in ("amber", "red") if f'"{severity}"' in source]


def _docstring(made: Any) -> tuple[str, dict[str, str]]:
    """What a docstring says before its arguments, and what it says of each of these."""
    said, _, listed = (inspect.getdoc(made) or "").partition("\nArgs:\n")
    entries = re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", listed, re.MULTILINE)
    return said.strip(), {knob: re.sub(r"\s+", " ", text) for knob, text in entries}


def _title(name: str) -> str:
    return (FAULTS / f"{name}.md").read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
