"""The report: the explorer's pages of one run with their answers in them, for whoever has no sparsight."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from sparsight.core import Atlas, Source
from sparsight.core.sampling import spread
from sparsight.effects import raised_in
from sparsight.pages import freezing
from sparsight.pages.freezing import Held
from sparsight.run import Run
from sparsight.views import about, contexts, evidence, feature, figures, findings, live, samples, tiles, words
from sparsight.views import map as mapping

ALONE, MOST = 1_024, 16_384
"""Features up to which a report is one file, and features that a folder shows."""
POINTS = 400
"""Of its curves."""
BLOCK, FEW = 128, 8
"""Of what is read at once; of pictures."""
SIDE = 128
"""Pixels of a picture's longer side."""


def is_folder(atlas: Atlas) -> bool:
    """Whether the report of such a run is a folder, since one file would be too large for a browser."""
    return len(atlas) > ALONE


def html(run: Run, atlas: Atlas, measured: Source, drawn: Mapping[str, Mapping[str, str]]) -> str:
    """The report of a run as one HTML file that needs nothing else.

    Args:
        run: it has ended, or been stopped with a model.
        atlas: the facts about its features.
        measured: the samples that the atlas was made from.
        drawn: its charts, from `views.figures.every`.
    """
    return freezing.page(_held(run, atlas, measured, drawn), run.path.resolve().name)


def folder(run: Run, atlas: Atlas, measured: Source, drawn: Mapping[str, Mapping[str, str]]) -> dict[str, bytes]:
    """The same as the files of a folder by name, of which `index.html` is the one to open."""
    return freezing.folder(_held(run, atlas, measured, drawn), run.path.resolve().name)


def _held(run: Run, atlas: Atlas, measured: Source, drawn: Mapping[str, Mapping[str, str]]) -> Held:
    sae, name = run.sae(), run.path.resolve().name
    shown = spread(len(atlas), MOST)
    held = Held(only=name)
    base = f"run/{name}"
    known = about.about(run, sae, atlas)
    if len(shown) < len(atlas):
        known["shown"] = shown.tolist()
        said = f"{len(shown):,} of {len(atlas):,} features are shown, evenly spread: `sparsight explore` shows all"
        known["summary"]["notes"] = [*known["summary"]["notes"], said]
    held.put(f"{base}/about", known)
    for group in ("training", "population", "gabors", "codes"):
        held.put(f"{base}/charts/{group}", drawn[group])
    held.put(f"{base}/log", live.so_far(run, POINTS))
    held.put(f"{base}/made", samples.made(sae, measured))
    held.put(f"{base}/findings", findings.described(run))
    held.put(f"{base}/evidence", evidence.described(run))
    for column in atlas.numbers():
        values = np.full(len(atlas), np.nan, np.float32)
        values[shown] = atlas[column][shown]
        held.answers[f"{base}/column/{column}"] = tiles.column(values)
    held.answers[f"{base}/map"] = mapping.laid_out(sae)[1].tobytes()
    for side in known["sides"]:
        held.put_table(
            f"{base}/tiles/{side}",
            shown.tolist(),
            BLOCK,
            lambda ids, side=side: tiles.of_filters(tiles.filters(sae, side, torch.tensor(ids))),
        )
    _features(held, base, run, atlas, measured, shown.tolist())
    return held


def _features(held: Held, base: str, run: Run, atlas: Atlas, measured: Source, shown: Sequence[int]) -> None:
    """A record for each feature, and the samples that any of them shows."""
    sae, notes, verified = run.sae(), run.notes(), run.verified
    marks, raised = figures.marks(run.recipe), raised_in(run)
    needed: set[int] = set()
    pictured: set[int] = set()

    def records(ids: Sequence[int]) -> bytes:
        made = feature.several(sae, atlas, ids, source=measured, evidence=verified, marks=marks, few=True)
        for example in (example for one in made for kind in one["examples"].values() for example in kind):
            context = example["context"]
            if context is None:
                needed.add(example["id"])
            elif "picture" in context:
                pictured.add(context["picture"])
        for one in made:
            one["note"], one["samples"] = notes.get(one["feature"], ""), True
            one["tokens"] = None if raised is None else raised.of(one["feature"])
        return _json(made)

    held.put_table(f"{base}/feature", shown, BLOCK, records)
    held.put_table(f"{base}/samples", sorted(needed), BLOCK, lambda ids: tiles.of_samples(measured, torch.tensor(ids)))
    held.put_table(
        f"{base}/picture",
        sorted(pictured),
        FEW,
        lambda ids: _json([contexts.picture(measured, at, SIDE) for at in ids]),
    )
    if words.labelled(atlas) is not None:
        held.put_table(f"{base}/words", shown, BLOCK, lambda ids: _json(words.told(atlas, ids)))


def _json(records: list[Any]) -> bytes:
    return json.dumps(freezing.finite(records), separators=(",", ":")).encode()
