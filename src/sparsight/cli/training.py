"""`sparsight train`."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sparsight import job, recipes, spec, stacks
from sparsight.cli import reporting
from sparsight.cli.findings import announce
from sparsight.cli.showing import tell
from sparsight.core import Logged
from sparsight.devices import choose_device
from sparsight.diagnosis import Watch, diagnose
from sparsight.errors import SparsightError
from sparsight.run import Run
from sparsight.sources import open_source
from sparsight.views.pictures import feature_pictures
from sparsight.views.summary import described


def train(
    data: str | None,
    changes: Sequence[str],
    *,
    recipe: str,
    out: Path | None,
    resume: Path | None,
    device: str,
    plugins: Sequence[Path],
    as_json: bool,
    console: Console,
) -> None:
    """Train or resume, write pictures, and say in words what was found."""
    for plugin in plugins:
        spec.load_plugin(plugin)
    if resume is not None:
        if data is not None or changes:
            raise SparsightError("--resume goes on with the run as it is: give no data and no changes beside it")
        with progress_bar(console) as bar:
            watch = Watch(Run.open(resume).recipe, announce(console))
            run = job.resume(resume, observers=[Bar(bar), watch])
    else:
        if data is not None and "=" in data and not Path(data).exists():
            data, changes = None, [data, *changes]
        asked = recipes.read(recipe)
        if data is not None:
            asked["source"] = open_source(data)
        parsed = job.Recipe.parse(spec.override(asked, changes))
        run = _trained(parsed, out, device, console)
    _show(run, as_json=as_json, console=console)


def stack(
    given: Sequence[str],
    *,
    out: Path | None,
    device: str,
    plugins: Sequence[Path],
    as_json: bool,
    console: Console,
) -> None:
    """Make one of runs, train it, and say in words what was found."""
    for plugin in plugins:
        spec.load_plugin(plugin)
    changes = [word for word in given if "=" in word and not Path(word).exists()]
    asked = stacks.stacked([word for word in given if word not in changes])
    run = _trained(job.Recipe.parse(spec.override(asked, changes)), out, device, console)
    _show(run, as_json=as_json, console=console)


def _trained(recipe: job.Recipe, out: Path | None, device: str, console: Console) -> Run:
    place = out or job.free_name(Path("runs"), recipe.name)
    watch = Watch(job.completed(recipe), announce(console))
    with progress_bar(console) as bar:
        return job.train(recipe, place, observers=[Bar(bar), watch], device=choose_device(device))


def _show(run: Run, *, as_json: bool, console: Console) -> None:
    if run.summary is not None:
        for name, picture in feature_pictures(run).items():
            run.put(f"pictures/{name}", picture)
        run.put_findings(diagnose(run))
        reporting.make(run, None, None, None, Console(quiet=True))
    tell(described(run), as_json=as_json, console=console)


class Bar:
    """Training as a progress bar, with each term, L0, explained variance and dead features."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress = progress
        self.task: Any = None if progress is None else progress.add_task("training", total=None, said="")

    def on_log(self, logged: Logged) -> None:
        if self.progress is None:
            return
        terms = "  ".join(f"{name} {term['loss']:.3g}" for name, term in logged.terms.items() if term["loss"])
        said = f"explained {logged.explained_variance:.1%}  L0 {logged.l0:.1f}  dead {logged.dead}\n{terms}"
        self.progress.update(self.task, completed=logged.step, total=logged.steps, said=said)

    def on_checkpoint(self, step: int) -> None: ...

    def on_end(self, reason: str) -> None: ...


def progress_bar(console: Console) -> Any:
    """A context that gives a progress bar; None where nobody looks at it."""
    if console.quiet or not console.is_terminal:
        return nullcontext(None)
    columns = (
        BarColumn(12),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[said]}"),
    )
    return Progress(*columns, console=console, transient=True)
