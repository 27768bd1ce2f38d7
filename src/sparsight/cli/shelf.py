"""`sparsight recipes`. It needs no torch."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from sparsight import recipes
from sparsight.cli.printing import print_json


def show(name: str | None, *, as_json: bool, console: Console) -> None:
    """List the recipes, or explain one.

    Raises:
        SparsightError: there is none of this name.
    """
    if as_json:
        record = [recipes.read(known) for known in recipes.names()] if name is None else recipes.read(name)
        print_json(record)
    elif name is None:
        _list(console)
    else:
        _explain(name, console)


def _list(console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("recipe", style="bold")
    table.add_column("what it does")
    for known in recipes.names():
        table.add_row(known, recipes.read(known)["summary"])
    console.print(table)


def _explain(name: str, console: Console) -> None:
    recipe = recipes.read(name)
    console.print(f"[bold]{recipe['name']}[/bold]: {recipe.get('summary', '')}", soft_wrap=True)
    if "about" in recipe:
        console.print(recipe["about"], markup=False)
    path = Path(name) if name.endswith(".toml") else recipes.HERE / f"{name}.toml"
    text = path.read_text(encoding="utf-8")
    console.print(text.split('"""\n')[-1] if "about" in recipe else text, markup=False)
