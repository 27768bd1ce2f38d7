"""What is swept: the values of each key, as people write them."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from typing import Any

from sparsight import spec
from sparsight.errors import SparsightError
from sparsight.job import Recipe, completed

MOST = 4_096
"""Models of a grid."""
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(?::(\d+))?")
Number = int | float


@dataclass(frozen=True)
class Axis:
    """A key of the recipe, and the values that it takes, as they are written behind the `=`."""

    key: str
    values: tuple[str, ...]
    span: tuple[Number, Number] | None = None
    """In place of the values, where a search may take any number from here to there."""


@dataclass(frozen=True)
class Point:
    """One model of a sweep: the name of its folder, and the changes that make its recipe."""

    name: str
    changes: tuple[str, ...]


def axis(change: str, *, searched: bool = False) -> Axis:
    """Read `key=a,b,c`, in which `0..3` are the integers from 0 to 3 and `1e-4..1e-1:4` four values in a fixed ratio.

    Args:
        change: what is written.
        searched: a range alone, `1e-4..1e-1`, is all that lies between.

    Raises:
        SparsightError: it cannot be read, holds no value, or one of them twice.
    """
    key, _, text = (part.strip() for part in change.partition("="))
    words = _split(text)
    spec.override({}, [change if "=" not in change else f"{key}={words[0]}"])  # says what is wrong with its key
    alone = _RANGE.fullmatch(text)
    if searched and alone is not None and alone[3] is None:
        return Axis(key, (), _ends(change, alone))
    values = tuple(value for word in words for value in _expanded(key, word))
    twice = [value for n, value in enumerate(values) if value in values[:n]]
    if twice:
        raise SparsightError(f"{change!r} has {twice[0]} twice: give each value once")
    return Axis(key, values)


def _expanded(key: str, word: str) -> Iterator[str]:
    """The values that one word stands for."""
    if not word:
        raise SparsightError(f"{key!r} has an empty value: write {key}=a,b,c")
    found = _RANGE.fullmatch(word)
    if found is None:
        yield word
        return
    low, high = _ends(f"{key}={word}", found)
    integers = isinstance(low, int) and isinstance(high, int)
    if found[3] is None:
        if not integers:
            raise SparsightError(f"'{key}={word}' has no end of values: say how many, as in {key}={word}:4")
        if high - low >= MOST:
            raise SparsightError(f"'{key}={word}' is {high - low + 1:,} values: sweep at most {MOST:,} models")
        yield from map(str, range(int(low), int(high) + 1))
        return
    n = int(found[3])
    if low <= 0 or not 2 <= n <= MOST:
        raise SparsightError(
            f"'{key}={word}' cannot be read: behind the colon stands how many values in a fixed ratio, 2 to {MOST:,}, "
            "and both ends lie above 0"
        )
    values = [math.exp(math.log(low) + i / (n - 1) * math.log(high / low)) for i in range(n)]
    yield from dict.fromkeys(written(round(value) if integers else value) for value in values)


def _ends(change: str, found: re.Match[str]) -> tuple[Number, Number]:
    low, high = (int(end) if re.fullmatch(r"[-+]?\d+", end) else float(end) for end in found.group(1, 2))
    if low >= high:
        raise SparsightError(f"{change!r} is empty: a range goes from the smaller number to the larger")
    return low, high


def _split(text: str) -> list[str]:
    """Cut at the commas that are in no brackets and in no quotes."""
    words, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        depth += 0 if quote else (letter in "[{") - (letter in "]}")
        if letter == "," and not depth and not quote:
            words.append("")
        else:
            words[-1] += letter
    return [word.strip() for word in words]


def written(number: Number) -> str:
    """A number as a value: what is no integer to six digits, and never as one."""
    text = str(number) if isinstance(number, int) else f"{number:.6g}"
    return text if isinstance(number, int) or re.search(r"[.e]", text) else f"{text}.0"


class Grid:
    """The recipe of a sweep, and what becomes of it at each point.

    Where seeds are swept, `data_seed` is the recipe's own seed, unless it says otherwise: so all see the same batches.

    Args:
        recipe: what all models share.
        changes: `key=value` for all models, or `key=a,b,c`.
        searched: a range alone is all that lies between.

    Raises:
        SparsightError: a change cannot be read, nothing is swept, or the recipe does not allow it.
    """

    def __init__(self, recipe: Recipe, changes: Sequence[str], *, searched: bool = False) -> None:
        axes = [axis(change, searched=searched) for change in changes]
        keys = [one.key for one in axes]
        twice = [key for n, key in enumerate(keys) if key in keys[:n]]
        if twice:
            raise SparsightError(f"{twice[0]!r} is given twice: write all its values at once, {twice[0]}=a,b,c")
        fixed = [f"{one.key}={one.values[0]}" for one in axes if len(one.values) == 1]
        self.base = spec.override(recipe.model_dump(), fixed)
        self.seed = Recipe.parse(self.base).seed
        self.axes = [one for one in axes if len(one.values) != 1]
        if not self.axes:
            raise SparsightError("nothing is swept: give a key several values, such as architecture.k=8,16,32")
        tried = [one.values or tuple(map(written, one.span or ())) for one in self.axes]
        first = [values[0] for values in tried]
        for n, values in enumerate(tried):
            for value in values:
                self.recipe(self.point([*first[:n], value, *first[n + 1 :]]).changes)

    def points(self) -> list[Point]:
        """The product of all values."""
        n = math.prod(len(one.values) for one in self.axes)
        if n > MOST:
            raise SparsightError(f"this grid has {n:,} models: sweep at most {MOST:,}")
        return [self.point(values) for values in product(*(one.values for one in self.axes))]

    def point(self, values: Sequence[str]) -> Point:
        """The model with one value of each axis."""
        keys = [one.key for one in self.axes]
        leaves = [key.rpartition(".")[2].strip('"') for key in keys]
        short = [leaf if leaves.count(leaf) == 1 else key for leaf, key in zip(leaves, keys, strict=True)]
        name = ",".join(f"{key}={value}" for key, value in zip(short, values, strict=True))
        changes = tuple(f"{key}={value}" for key, value in zip(keys, values, strict=True))
        plain = re.sub(r"[^\w.,+=-]+", "_", name)[:150]
        return Point(plain if plain == name else f"{plain}-{sha256(name.encode()).hexdigest()[:6]}", changes)

    def recipe(self, changes: Sequence[str]) -> Recipe:
        """The recipe with these changes.

        Raises:
            SparsightError: an unknown key, or a value of the wrong type or out of bounds.
        """
        recipe = Recipe.parse(spec.override(self.base, changes))
        completed(recipe)
        if recipe.seed != self.seed and recipe.data_seed is None:
            recipe = recipe.model_copy(update={"data_seed": self.seed})
        return recipe

    @staticmethod
    def values(point: Point) -> Mapping[str, Any]:
        """What a point has for each key."""
        return {key: spec.value(key, text) for key, _, text in (change.partition("=") for change in point.changes)}
