"""The command line. Nothing here imports torch before a command needs it."""

import sys


def main() -> None:
    """Run the command line; a user's mistake is one sentence and exit code 2."""
    from sparsight.cli.app import app
    from sparsight.errors import SparsightError

    try:
        app()
    except SparsightError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
