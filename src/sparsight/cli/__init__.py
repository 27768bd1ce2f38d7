"""The command line. Nothing here imports torch before a command needs it."""

import sys


def main() -> None:
    """Run the command line; a user's mistake is one sentence and exit code 2."""
    import typer

    from sparsight.cli.app import app
    from sparsight.errors import SparsightError

    usage: type[Exception] = typer.BadParameter.__mro__[1]  # typer names only this heir of click's UsageError
    try:
        sys.exit(app(sys.argv[1:] or ["--help"], prog_name="sparsight", standalone_mode=False))
    except SparsightError as error:
        _fail(str(error))
    except usage as error:
        _fail(_sentence(error))


def _sentence(error: Exception) -> str:
    """What is wrong with the words of a command, and where its help is."""
    said = error.format_message().replace(". Did you mean", "; did you mean").rstrip(".?")  # type: ignore[attr-defined]
    context = getattr(error, "ctx", None)
    command = "sparsight" if context is None else context.command_path
    return f"{said[:1].lower()}{said[1:]}; see `{command} --help`"


def _fail(sentence: str) -> None:
    print(f"error: {sentence}", file=sys.stderr)  # noqa: T201
    sys.exit(2)
