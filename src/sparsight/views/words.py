"""What features are in words: labels, and where their activity goes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparsight.core import Atlas
from sparsight.views.contexts import word
from sparsight.views.features import numbers


def known(atlas: Atlas | None) -> bool:
    """Whether features are told in words."""
    return atlas is not None and "word_ids" in atlas


def labelled(atlas: Atlas) -> str | None:
    """What labels are made of, `words` or `classes`; None: there are no labels."""
    return next((kind for kind, name in KINDS.items() if f"{name}_ids" in atlas), None)


KINDS = {"words": "label", "classes": "class"}
"""Columns that labels are in, by what they are made of."""


def told(atlas: Atlas, ids: Sequence[int]) -> list[dict[str, Any]]:
    """Features in words.

    - `label`: the words or classes that tell where it fires, [] where none does; `score`, `precision` and `recall` as
      the atlas has them.
    - `words`: those that most of its activity goes to, each with its share; [] where samples are no words.
    """
    which, kind = np.asarray(ids, np.int64), labelled(atlas)
    vocabulary: list[str] = list(atlas.samples.get("words") or ())
    classes: list[str] = list(atlas.samples.get("classes") or ())
    said = vocabulary if kind == "words" else classes
    found: list[dict[str, Any]] = [
        {"label": [], "score": None, "precision": None, "recall": None, "words": []} for _ in ids
    ]
    if kind is not None:
        name = KINDS[kind]
        for one, row in zip(found, atlas[f"{name}_ids"][which].tolist(), strict=True):
            one["label"] = [word(said[int(n)]) for n in row if n >= 0]
        for figure in ("score", "precision", "recall"):
            for one, value in zip(found, numbers(np.asarray(atlas[f"{name}_{figure}"][which])), strict=True):
                one[figure] = value
    if known(atlas):
        pairs = zip(atlas["word_ids"][which].tolist(), atlas["word_shares"][which].tolist(), strict=True)
        for one, (row, shares) in zip(found, pairs, strict=True):
            one["words"] = [[word(vocabulary[int(n)]), round(v, 4)] for n, v in zip(row, shares, strict=True) if n >= 0]
    return found


def lines(atlas: Atlas, ids: Sequence[int] | None = None) -> list[str] | None:
    """The labels of features, of all where `ids` is None, as a line each, empty where there is none; None: there are no
    labels at all."""
    if labelled(atlas) is None:
        return None
    return [", ".join(one["label"]) for one in told(atlas, range(len(atlas)) if ids is None else ids)]
