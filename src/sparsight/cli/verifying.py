"""`sparsight verify`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from sparsight import spec
from sparsight.cli.printing import figure, print_json, table
from sparsight.cli.training import progress_bar
from sparsight.core import Evidence
from sparsight.run import Run, finite
from sparsight.sources import open_source
from sparsight.verification import verify as verified


def verify(
    path: Path,
    *,
    claims: str | None,
    data: str | None,
    strict: bool,
    plugins: Sequence[Path],
    as_json: bool,
    console: Console,
) -> bool:
    """Test the claims of a run and print a sentence for each; whether all hold, where `strict` asks.

    Raises:
        SparsightError: the folder is no run, it cannot be verified, or verification was interrupted.
    """
    for plugin in plugins:
        spec.load_plugin(plugin)
    run = Run.open(path)
    asked = None if claims is None else [name.strip() for name in claims.split(",")]
    source = None if data is None else spec.build("source", open_source(data))
    with progress_bar(console) as bar:
        evidence = verified(run, source=source, claims=asked, observers=[Bar(bar, console)])
    if as_json:
        print_json(finite(evidence.record()))
    else:
        _tell(run, evidence, console)
    return not strict or all(claim.holds for claim in evidence.claims)


class Bar:
    """Verification as a progress bar; before it, how long it will take."""

    def __init__(self, progress: Progress | None, console: Console) -> None:
        self.progress, self.console = progress, console
        self.task: Any = None if progress is None else progress.add_task("verifying", total=None, said="")

    def on_plan(self, trainings: int, seconds: float) -> None:
        if trainings:
            long = f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"
            said = f"{trainings} trainings are to be done, which take about {long}; Ctrl-C stops, and the same goes on"
            self.console.print(said, markup=False, soft_wrap=True)

    def on_progress(self, done: float, total: float, said: str) -> None:
        if self.progress is not None:
            self.progress.update(self.task, completed=int(done), total=total, said=said)


def _tell(run: Run, evidence: Evidence, console: Console) -> None:
    rows = table("claim", "holds", "value", "from", "to", "null")
    for claim in evidence.claims:
        numbers = (claim.value, claim.low, claim.high, claim.null)
        rows.add_row(claim.name, "yes" if claim.holds else "no", *(figure(number) for number in numbers))
    console.print(rows)

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    say("")
    for claim in evidence.claims:
        say(f"{claim.name}: {claim.said}")
    for name, why in evidence.left_out.items():
        say(f"{name} is left out: {why}")
    say(f"all numbers are in {run.path / 'evidence.json'}; `sparsight report {run.path}` shows them")
