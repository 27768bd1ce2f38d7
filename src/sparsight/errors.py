"""What a user did wrong, in one sentence."""

import difflib
from collections.abc import Iterable


class SparsightError(ValueError):
    """A mistake in what was asked for: one sentence that says what, where and what to do.

    Faces print it without a traceback; the command line then exits with code 2.
    """


def did_you_mean(wrong: object, known: Iterable[str]) -> str:
    """The name that was probably meant, or the list of names there are."""
    names = sorted(known)
    close = difflib.get_close_matches(str(wrong), names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there is: {', '.join(names) or 'none'}"
