"""The playground: samples that are drawn, codes that are set, codes that are drawn at random.

What is posted is a JSON object. A sample in it is `sample`, its numbers as float32, little-endian, in base64; or `id`,
the number of one of the data. Answers are the records of `views.playing`, with numbers written the same way.
"""

import base64
import binascii
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, TypeVar

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from threadpoolctl import ThreadpoolController
from torch import Tensor

from sparsight.errors import SparsightError
from sparsight.explore.reading import answer, body, opened
from sparsight.explore.shelf import Opened, Shelf
from sparsight.run import Run
from sparsight.spec import explain
from sparsight.views import building, contexts, playing, words
from sparsight.views.features import numbers, within


class Asked(BaseModel):
    """A sample, and what is done to its codes."""

    model_config = ConfigDict(extra="forbid")

    sample: str | None = None
    id: Annotated[int, Field(ge=0)] | None = None
    edits: dict[int, float] = {}
    most: Annotated[int, Field(ge=0, le=256)] = 24
    """Features that are listed, or steps of a build-up."""


class Wanted(BaseModel):
    """What is drawn at random."""

    model_config = ConfigDict(extra="forbid")

    seed: Annotated[int, Field(ge=0)] = 0
    n: Annotated[int, Field(ge=1, le=64)] = 12
    label: str | None = None


AROUND = 24
"""Tokens of a text to both sides."""
T = TypeVar("T", bound=BaseModel)
THREADS = ThreadpoolController()


@lru_cache(8)
def _ground(one: Opened) -> playing.Ground:
    return playing.Ground.of(one.source)


def _start(request: Request) -> Response:
    """What the playground begins with; see `views.playing.start`. `beside`: runs that take the same samples."""
    one, shelf = opened(request), request.app.state.shelf
    record = playing.start(one.sae, one.source, _ground(one), one.atlas_if_any)
    return answer({**record, "beside": _beside(shelf, request.path_params["run"], one.sae.n_inputs)})


def _beside(shelf: Shelf, key: str, n_inputs: int) -> list[str]:
    return [other for other, run in shelf.runs().items() if other != key and _takes(run, n_inputs)]


def _takes(run: Run, n_inputs: int) -> bool:
    """Whether a run has ended and takes samples of this width; one that is damaged takes none."""
    try:
        return run.summary is not None and run.manifest["data"]["inputs"] == n_inputs
    except (SparsightError, KeyError, TypeError):
        return False


def _play(one: Opened, asked: Asked) -> Response:
    """A sample with codes that are set. `largest`: the largest code of each listed feature on the data.
    `labels`: of those features, None where samples are no words. `context`: what a sample of the data is a part of."""
    raw, target = _sample(one, asked)
    found = playing.played(one.sae, raw, asked.edits, asked.most, mean=_ground(one).outputs.mean, target=target)
    atlas = one.atlas_if_any
    largest = None if atlas is None else numbers(np.asarray(atlas["max"][found.features.numpy()]))
    labels = None if atlas is None or not words.known(atlas) else words.lines(atlas, found.features.tolist())
    return answer({**found.record(), "largest": largest, "labels": labels, "context": _context(one, asked)})


def _context(one: Opened, asked: Asked) -> dict[str, Any] | None:
    """What a sample of the data is a part of; None: it is a whole, or nobody knows."""
    context = None if asked.id is None else one.source.context(asked.id, AROUND)
    return None if context is None else contexts.record(context)


def _build(one: Opened, asked: Asked) -> Response:
    """A sample, feature by feature."""
    raw, target = _sample(one, asked)
    return answer(building.built(one.sae, raw, asked.most, mean=_ground(one).outputs.mean, target=target).record())


def _generate(one: Opened, wanted: Wanted) -> Response:
    """Samples from codes that are drawn at random."""
    return answer(playing.sampled(one.sae, one.atlas, wanted.n, wanted.seed, wanted.label).record())


def _sample(one: Opened, asked: Asked) -> tuple[Tensor, Tensor | None]:
    """The sample that is meant, [D], and what should come out where that is known to be something else."""
    if (asked.id is None) == (asked.sample is None):
        raise SparsightError("give a sample, or the id of one of the data")
    if asked.sample is None:
        within([asked.id or 0], len(one.source), "sample")
        ids = torch.tensor([asked.id])
        targets = one.source.targets(ids)
        return one.source.gather(ids)[0], None if targets is None else targets[0]
    try:
        content = base64.b64decode(asked.sample, validate=True)
        return torch.from_numpy(np.frombuffer(content, "<f4").astype(np.float32)), None
    except (binascii.Error, ValueError):
        raise SparsightError("a sample is float32 numbers in base64") from None


def _posted(path: str, model: type[T], act: Callable[[Opened, T], Response]) -> Route:
    """A route that reads an object, and works beside what else is asked for.

    One core works for one request: the browser needs the others, and threads that wait for each other while it paints
    took thirty times as long as the work.
    """

    def work(request: Request, asked: T) -> Response:
        with THREADS.limit(limits=1, user_api="openmp"):  # of this thread alone
            return act(opened(request), asked)

    async def endpoint(request: Request) -> Response:
        record: dict[str, Any] = await body(request)
        try:
            asked = model(**record)
        except ValidationError as error:
            raise explain(error, "the request", model.model_fields) from None
        return await run_in_threadpool(work, request, asked)

    return Route(path, endpoint, methods=["POST"])


routes = [
    Route("/run/{run}/play", _start),
    _posted("/run/{run}/play", Asked, _play),
    _posted("/run/{run}/play/build", Asked, _build),
    _posted("/run/{run}/play/generate", Wanted, _generate),
]
