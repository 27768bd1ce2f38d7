"""The commands."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sparsight import __version__

app = typer.Typer(
    name="sparsight",
    help="Sparse autoencoders you can see through: train one on anything, look at what it learned.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
console = Console(highlight=False)


def _version(asked: bool) -> None:
    if asked:
        console.print(__version__)
        raise typer.Exit


@app.callback()
def _everywhere(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


@app.command()
def train(
    data: Annotated[
        str | None,
        typer.Argument(help="What to train on: `digits` (they ship with sparsight), a file or a folder of pictures."),
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Argument(help="Changes to the recipe, such as architecture.k=20 train.epochs=10.")
    ] = None,
    recipe: Annotated[str, typer.Option("--recipe", "-r", help="A recipe's name, or a TOML file.")] = "strokes",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The run's folder. By default runs/ and the name of the recipe.")
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with this run, which was killed or interrupted.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps, ...")] = "auto",
    plugin: Annotated[list[Path] | None, typer.Option(help="A Python file that registers parts of your own.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")] = False,
) -> None:
    """Train a sparse autoencoder and show what it learned.

    For example: [bold]sparsight train digits[/bold], or
    [bold]sparsight train photos/ -r strokes n_latents=400 seed=1[/bold]
    """
    from sparsight.cli import training

    training.train(
        data,
        changes or [],
        recipe=recipe,
        out=out,
        resume=resume,
        device=device,
        plugins=plugin or [],
        console=Console(quiet=True) if quiet else console,
    )


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    data: Annotated[str | None, typer.Option(help="The data, if they were given in memory.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file; by default report.html in the run.")
    ] = None,
    export: Annotated[Path | None, typer.Option(help="Also write every picture and table into this folder.")] = None,
) -> None:
    """Write one HTML page about a run that opens offline: features, samples, curves, measures.

    For example: [bold]sparsight report runs/strokes --export pictures/[/bold]
    """
    from sparsight.cli import reporting
    from sparsight.run import Run

    reporting.make(Run.open(run), data, out, export, console)


@app.command()
def recipes(
    name: Annotated[str | None, typer.Argument(help="Explain this one, and print it.")] = None,
) -> None:
    """List the recipes, or explain one."""
    from sparsight import recipes as shelf

    if name is not None:
        recipe = shelf.read(name)
        console.print(f"[bold]{recipe['name']}[/bold]: {recipe['summary']}", soft_wrap=True)
        if "about" in recipe:
            console.print(recipe["about"], markup=False)
        path = shelf.HERE / f"{name}.toml" if not name.endswith(".toml") else Path(name)
        text = path.read_text(encoding="utf-8")
        body = text.split('"""\n')[-1] if "about" in recipe else text
        console.print(body, markup=False)
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("recipe", style="bold")
    table.add_column("what it does")
    for known in shelf.names():
        table.add_row(known, shelf.read(known)["summary"])
    console.print(table)
