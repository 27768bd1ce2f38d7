"""`sparsight splice`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from sparsight import spec
from sparsight.cli.printing import print_json, table
from sparsight.cli.training import progress_bar
from sparsight.devices import choose_device
from sparsight.effects import keep, measure_effects
from sparsight.run import Run, finite
from sparsight.views.effects import described


def splice(
    path: Path,
    *,
    model: str | None,
    at: Sequence[str],
    text: str | None,
    tokens: int,
    device: str,
    plugins: Sequence[Path],
    as_json: bool,
    console: Console,
) -> None:
    """Measure what a model does with the reconstructions of a run, print and keep it.

    Raises:
        SparsightError: the folder is no run, its data have no model behind them, or model, layers or texts do not fit.
    """
    for plugin in plugins:
        spec.load_plugin(plugin)
    run = Run.open(path)
    with progress_bar(console) as bar:
        task = None if bar is None else bar.add_task("splicing", total=None, said="")

        def tell(samples: int) -> None:
            if bar is not None and task is not None:
                bar.update(task, advance=samples, total=tokens, said="samples")

        record, raised = measure_effects(
            run, model=model, at=at, text=text, tokens=tokens, device=choose_device(device), tell=tell
        )
    keep(run, record, raised)
    if as_json:
        print_json(finite(record))
    else:
        _tell(run, finite(record), console)


def _tell(run: Run, record: dict[str, Any], console: Console) -> None:
    def say(words: str) -> None:
        console.print(words, markup=False, soft_wrap=True)

    shown = described(record)
    for group in shown["groups"]:
        rows = table(group["name"], *shown["heads"])
        for row in group["rows"]:
            rows.add_row(*row)
        console.print(rows)
        say("")
    for head, meaning in shown["meanings"].items():
        say(f"{head}: {meaning}")
    say(f"\n{shown['said']}")
    for note in record["notes"]:
        say(f"note: {note}")
    if record["beside"]:
        say(f"`sparsight explore {run.path}` shows which {record['beside']} tokens each feature raises and lowers")
    say(f"all numbers are in {run.path / 'effects.json'}")
