"""What is read of a run: facts, filters, samples, features; and the notes that people write."""

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sparsight.atlas import survey
from sparsight.errors import SparsightError
from sparsight.explore.app import numbers
from sparsight.explore.shelf import Opened, Shelf
from sparsight.run import Run, finite
from sparsight.views import about, contexts, feature, figures, samples, tiles, words
from sparsight.views import map as mapping
from sparsight.views.features import as_csv, within

MOST = 4_096
"""Tiles of one answer."""
Answer = Callable[[Request], Response]


def opened(request: Request) -> Opened:
    """The run that an address names, with what is loaded of it."""
    shelf: Shelf = request.app.state.shelf
    return shelf.opened(request.path_params["run"])


def answer(record: Any) -> Response:
    """A record as JSON."""
    return Response(json.dumps(finite(record), separators=(",", ":")), media_type="application/json")


def raw(content: bytes) -> Response:
    """Numbers as bytes."""
    return Response(content, media_type="application/octet-stream")


def _about(request: Request) -> Response:
    one = opened(request)
    ended = one.run.summary is not None
    return answer(about.about(one.run, one.sae if ended else None, one.atlas_if_any if ended else None))


def _column(request: Request) -> Response:
    atlas, name = opened(request).atlas, request.path_params["name"]
    if name not in atlas.numbers():
        raise SparsightError(f"the atlas has no column {name!r} with a number for each feature")
    return raw(tiles.column(atlas[name]))


def _tiles(request: Request) -> Response:
    sae = opened(request).sae
    of, ids = request.query_params.get("of", ""), numbers(request.query_params.get("ids", ""), MOST)
    if of not in ("encoder", "decoder", "null"):
        raise SparsightError(f"there are no filters of {of!r}: ask for encoder, decoder or null")
    within(ids, sae.n_latents, "feature")
    return raw(tiles.of_filters(tiles.filters(sae, of, torch.tensor(ids, dtype=torch.long))))


def _samples(request: Request) -> Response:
    source, ids = opened(request).source, numbers(request.query_params.get("ids", ""), MOST)
    within(ids, len(source), "sample")
    return raw(tiles.of_samples(source, torch.tensor(ids, dtype=torch.long)))


def _words(request: Request) -> Response:
    atlas, ids = opened(request).atlas, numbers(request.query_params.get("ids", ""), MOST)
    within(ids, len(atlas), "feature")
    return answer(words.told(atlas, ids))


def _picture(request: Request) -> Response:
    """The picture that a sample is a part of."""
    source, (which,) = opened(request).source, numbers(request.path_params["sample"], 1)
    within([which], len(source), "sample")
    found = contexts.picture(source, which)
    if found is None:
        raise SparsightError(f"sample {which} is no part of a picture")
    return answer(found)


def _feature(request: Request) -> Response:
    one = opened(request)
    (which,) = numbers(request.path_params["feature"], 1)
    try:
        source = one.source
    except SparsightError:
        source = None
    verified = one.run.verified
    record = feature.described(
        one.sae, one.atlas, which, source=source, evidence=verified, marks=figures.marks(one.run.recipe)
    )
    raised = one.raised
    record["tokens"] = None if raised is None else raised.of(which)
    return answer({**record, "note": one.run.notes().get(which, ""), "samples": source is not None})


async def _put_note(request: Request) -> Response:
    """Keep a note, {"text": ...}; it is on disk when this answers."""
    run: Run = opened(request).run
    (which,) = numbers(request.path_params["feature"], 1)
    within([which], run.recipe["n_latents"], "feature")
    text = (await body(request)).get("text")
    if not isinstance(text, str):
        raise SparsightError("a note is text")
    run.put_note(which, text)
    return answer({"kept": len(text)})


async def body(request: Request) -> dict[str, Any]:
    """The JSON object of a request.

    Raises:
        SparsightError: it is something else.
    """
    try:
        found = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise SparsightError("the request is no JSON") from None
    if not isinstance(found, dict):
        raise SparsightError("the request is no JSON object")
    return found


def _notes(request: Request) -> Response:
    return answer({str(k): v for k, v in opened(request).run.notes().items()})


@lru_cache(8)
def _laid_out(one: Opened) -> tuple[str, bytes]:
    method, places = mapping.laid_out(one.sae)
    return method, places.tobytes()


def _map(request: Request) -> Response:
    method, places = _laid_out(opened(request))
    return Response(places, media_type="application/octet-stream", headers={"x-method": method})


def _charts(request: Request) -> Response:
    """Charts of a group, title by title, as SVG."""
    one, group = opened(request), request.path_params["group"]
    makers: dict[str, Callable[[], dict[str, str]]] = {
        "training": lambda: figures.training(one.run),
        "population": lambda: figures.population(one.run, one.atlas),
        "gabors": lambda: figures.gabors(one.atlas),
        "codes": lambda: figures.codes(one.sae, one.source),
    }
    if group not in makers:
        raise SparsightError(f"there are no charts of {group!r}: ask for {', '.join(makers)}")
    return answer(makers[group]())


def _made(request: Request) -> Response:
    """Samples with what is made of them, and some built feature by feature, as PNG."""
    one = opened(request)
    return answer(samples.made(one.sae, one.source))


def _csv(request: Request) -> Response:
    atlas = opened(request).atlas
    return Response(as_csv(atlas, words.lines(atlas)), media_type="text/csv")


def _survey(request: Request) -> Response:
    """Make the atlas where there is none."""
    one = opened(request)
    with one.lock:
        one.run.put_atlas(survey(one.sae, one.source))
    return answer({"features": one.sae.n_latents})


routes = [
    Route("/run/{run}/about", _about),
    Route("/run/{run}/column/{name}", _column),
    Route("/run/{run}/tiles", _tiles),
    Route("/run/{run}/samples", _samples),
    Route("/run/{run}/words", _words),
    Route("/run/{run}/picture/{sample}", _picture),
    Route("/run/{run}/feature/{feature}", _feature),
    Route("/run/{run}/note/{feature}", _put_note, methods=["PUT"]),
    Route("/run/{run}/notes", _notes),
    Route("/run/{run}/map", _map),
    Route("/run/{run}/charts/{group}", _charts),
    Route("/run/{run}/made", _made),
    Route("/run/{run}/features.csv", _csv),
    Route("/run/{run}/survey", _survey, methods=["POST"]),
]
