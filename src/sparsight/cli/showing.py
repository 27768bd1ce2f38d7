"""`sparsight show`, and what `sparsight train` says at its end."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sparsight.cli.findings import COLOURS
from sparsight.cli.printing import figure, print_json, table
from sparsight.run import Run
from sparsight.views.summary import described


def show(path: Path, *, as_json: bool, console: Console) -> None:
    """Describe a run in words, or as one JSON object.

    Raises:
        SparsightError: the folder is no run, or damaged.
    """
    tell(described(Run.open(path)), as_json=as_json, console=console)


def tell(record: Mapping[str, Any], *, as_json: bool, console: Console) -> None:
    """Print what `views.summary.described` found."""
    if as_json:
        print_json(record)
    else:
        _tell(record, console)


def _tell(record: Mapping[str, Any], console: Console) -> None:
    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    data, last = record["data"], record["last"]
    say(f"run      {record['run']}: {_state(record)}")
    targets = "" if data.get("targets") is None else f" and {data['targets']:,} targets"
    say(f"data     {_source(data['source'])}: {data['samples']:,} samples of {data['inputs']:,} inputs{targets}")
    say(f"model    {record['n_latents']:,} features, architecture {_part(record['architecture'])}")
    say(f"recipe   {_recipe(record)}")
    for note in record["notes"]:
        say(f"note     {note}")
    if record["quality"] is not None:
        quality, null = record["quality"], record["null"]
        say(
            f"quality  on {record['measured_on']}: {figure(quality['explained_variance'], '.1%')} of the variance "
            f"explained (null, the mean: {figure(null['explained_variance'], '.0%')}) "
            f"with {figure(quality['l0'], '.1f')} of {record['n_latents']:,} features per sample, {record['dead']} dead"
        )
        say(
            f"also     cosine of sample and reconstruction {figure(quality['cosine'])} (null, the mean: "
            f"{figure(null['cosine'])}), shrinkage {figure(quality['shrinkage'])} (1: none), "
            f"{quality['dense']:.0f} dense features and {quality['silent']:.0f} that never fired"
        )
        if record["recovery"]:
            say(f"truth    {_recovered(record['recovery'])}")
        if record["aim"] is not None:
            say(f"aim      {record['aim']['said']}")
    elif last is not None:
        say(
            f"so far   step {last['step']:,} of {last['steps']:,}, on training samples: "
            f"{figure(last['explained_variance'], '.1%')} of the variance explained with "
            f"{figure(last['l0'], '.1f')} features per sample, {last['dead']} dead"
        )
    if last is not None:
        console.print()
        console.print(_terms(last))
    if record["shapes"]:
        shapes = table("median over live features", "encoder", "decoder", "null:\nnoise")
        for measure, row in record["shapes"].items():
            shapes.add_row(measure.replace("_", " "), *(figure(row.get(of)) for of in ("encoder", "decoder", "noise")))
        console.print()
        console.print(shapes)
    _found(record, console)
    if record["report"] is not None:
        say(f"\nlook at {record['report']}, or play with it: sparsight explore {record['run']}")


def _found(record: Mapping[str, Any], console: Console) -> None:
    """What is wrong, in a line each."""
    if record["findings"] is None:
        return
    console.print()
    for finding in record["findings"]:
        light = Text(f"{finding['severity']:<8} ", COLOURS[finding["severity"]])
        console.print(light + Text(f"{finding['id']} {finding['said']}"), soft_wrap=True)
    said = f"causes and fixes: sparsight diagnose {record['run']}" if record["findings"] else "no rule found anything"
    light = Text(" " * 9 if record["findings"] else "green    ", COLOURS["green"])
    console.print(light + Text(said), soft_wrap=True)


def _recovered(known: Mapping[str, float]) -> str:
    """How much of the true dictionary was found, beside random directions and independent firing."""

    def beside(name: str, form: str) -> str:
        return f"{known[name]:{form}} (null: {known[f'null.{name}']:{form}})"

    return (
        f"{beside('found', '.1%')} of the true features found at cosine .9, mean largest cosine "
        f"{beside('truth_to_learned', '.3f')} to what was learned and {beside('learned_to_truth', '.3f')} back, "
        f"F1 of firing {beside('f1', '.2f')}"
    )


def _state(record: Mapping[str, Any]) -> str:
    if record["ended"] is not None:
        early = ", as held-out samples got no better" if record["ended"] == "early stop" else ""
        return f"{record['ended']} after {record['steps']:,} steps in {record['seconds']:.0f} s{early}"
    when = f"last logged {record['last_written']}" if record["last"] is not None else "nothing is logged yet"
    if record["training"]:
        return f"it is being trained ({when})"
    return f"it was interrupted or killed ({when}), and goes on with `sparsight train --resume {record['run']}`"


def _source(source: Mapping[str, Any] | None) -> str:
    if source is None:
        return "given in memory"
    return source.get("path") or source["name"]


def _part(spec: Mapping[str, Any]) -> str:
    """The name of a part, with the knobs that are set."""
    knobs = ", ".join(f"{knob} {_knob(value)}" for knob, value in spec.items() if knob != "name" and value is not None)
    return f"{spec['name']} ({knobs})" if knobs else spec["name"]


def _knob(value: Any) -> str:
    """A value; parts within parts by their names alone."""
    if isinstance(value, list):
        return f"[{', '.join(map(_knob, value))}]"
    if not isinstance(value, Mapping):
        return str(value)
    return value.get("name") or f"({', '.join(f'{key} {_knob(inner)}' for key, inner in value.items())})"


def _recipe(record: Mapping[str, Any]) -> str:
    recipe, changes = record["recipe"], record["changes"]
    if changes is None:
        return f"{recipe['name']}, none of sparsight's own; recipe.json holds it. {recipe['summary']}".rstrip()
    if not changes:
        return f"{recipe['name']}, as it is. {recipe['summary']}"
    said = ", ".join(f"{key} = {_value(pair['here'])} (was {_value(pair['recipe'])})" for key, pair in changes.items())
    return f"{recipe['name']} with {said}"


def _value(value: Any) -> str:
    if isinstance(value, Mapping) and value.keys() == {"name"}:
        return str(value["name"])
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _terms(last: Mapping[str, Any]) -> Table:
    """Each term's last weighted value, and its share of the gradient in each group of parameters."""
    groups = list(dict.fromkeys(group for term in last["terms"].values() for group in term["share"]))
    made = table(f"term at step {last['step']:,}", "loss", *(f"gradient,\n{group}" for group in groups))
    for name, term in last["terms"].items():
        made.add_row(name, figure(term["loss"], ".4g"), *(figure(term["share"].get(g), ".1%") for g in groups))
    return made
