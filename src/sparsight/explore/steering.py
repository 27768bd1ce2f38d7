"""Steering: the model that a run's data come from reads a text, with features added or clamped.

One model is held at a time. It is loaded in a thread when it is first asked for, which can take a minute; what else is
asked meanwhile is answered.
"""

import json
import threading
import time
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sparsight.errors import SparsightError
from sparsight.explore.playing import THREADS
from sparsight.explore.reading import answer, body, opened
from sparsight.explore.shelf import Opened
from sparsight.feeds.texts import vocabulary_of
from sparsight.models.host import open_host
from sparsight.models.origin import Origin, origin
from sparsight.spec import explain
from sparsight.views.steering import Edit, Ready, steered

LETTERS = 4_000
"""Of a text, at most."""
SECONDS = 20.0
"""For which a model writes."""
PATIENCE = 2.0
"""Seconds for which somebody waits until another text is done."""
Number = Annotated[float, Field(ge=-1e6, le=1e6)]


class Asked(BaseModel):
    """What is done to a feature: one of `by` and `to`."""

    model_config = ConfigDict(extra="forbid")

    feature: Annotated[int, Field(ge=0)]
    by: Number | None = None
    to: Number | None = None


class Wanted(BaseModel):
    """A text, and what is done to features while the model reads it."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(max_length=LETTERS)]
    edits: Annotated[list[Asked], Field(max_length=8)] = []
    more: Annotated[int, Field(ge=0, le=64)] = 24
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None


class Loading:
    """A model on its way into memory."""

    def __init__(self, known: Origin) -> None:
        self.ready: Ready | None = None
        self.failed: str | None = None
        self.started = time.monotonic()
        self.work = threading.Lock()
        """Held while a text is read: hooks of two would meet in one model."""
        threading.Thread(target=self._load, args=(known,), daemon=True).start()

    def _load(self, known: Origin) -> None:
        try:
            host = open_host(known.model)
            if host.tokenizer is None:
                raise SparsightError(f"{host.name} has no tokenizer: it reads no text")
            skip = int(host.causal and not known.feed.get("sinks", False))
            self.ready = Ready(host, known.at[-1], vocabulary_of(host.tokenizer), skip)
        except SparsightError as error:
            self.failed = str(error)
        except Exception as error:  # a thread that dies says nothing to anybody
            self.failed = f"the model could not be loaded ({type(error).__name__}: {error})"[:300]

    def record(self) -> dict[str, Any]:
        """As pages read it."""
        if self.ready is not None:
            return {"state": "ready", "causal": self.ready.host.causal, "name": self.ready.host.name}
        if self.failed is not None:
            return {"state": "failed", "said": self.failed}
        return {"state": "loading", "seconds": round(time.monotonic() - self.started, 1)}


class Shed:
    """The model that is held."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.held: tuple[str, Loading] | None = None

    def of(self, known: Origin) -> Loading | None:
        """The model of some activations, where it is held."""
        with self.lock:
            return self.held[1] if self.held is not None and self.held[0] == _key(known) else None

    def load(self, known: Origin) -> Loading:
        """Hold a model, in place of the one before; one that failed is tried again."""
        with self.lock:
            if self.held is None or self.held[0] != _key(known) or self.held[1].failed is not None:
                self.held = (_key(known), Loading(known))
            return self.held[1]


def _key(known: Origin) -> str:
    return json.dumps([known.model, known.at, dict(known.feed)], sort_keys=True, default=str)


def _shed(app: Starlette) -> Shed:
    if not hasattr(app.state, "shed"):
        app.state.shed = Shed()
    return app.state.shed


def _known(one: Opened) -> Origin:
    """Where the samples of a run come from.

    Raises:
        SparsightError: from no model that reads texts.
    """
    found = origin(one.data or one.run.recipe["source"])
    if found is None or found.feed.get("name") != "texts":
        raise SparsightError(f"the data of {one.run.path.name!r} come from no model that reads texts")
    return found


def _start(request: Request) -> Response:
    """Where the model of a run is: `absent`, `loading`, `ready` or `failed`, and what it is."""
    known = _known(opened(request))
    loading = _shed(request.app).of(known)
    state = {"state": "absent"} if loading is None else loading.record()
    return answer({"model": _name(known), "at": known.at[-1], "transcoder": len(known.at) > 1, **state})


def _load(request: Request) -> Response:
    """Begin to load the model."""
    return answer(_shed(request.app).load(_known(opened(request))).record())


def _name(known: Origin) -> str:
    """What a model is called before it is loaded."""
    path = str(known.model.get("path", known.model["name"]) if isinstance(known.model, dict) else known.model)
    return Path(path).name if Path(path).exists() else path


def _steer(request: Request, wanted: Wanted) -> Response:
    one = opened(request)
    loading = _shed(request.app).of(_known(one))
    if loading is None or loading.ready is None:
        raise SparsightError("the model is not loaded yet")
    edits = [Edit(feature=edit.feature, by=edit.by, to=edit.to) for edit in wanted.edits]
    if not loading.work.acquire(timeout=PATIENCE):
        raise SparsightError("the model is reading another text: try again in a moment")
    try:
        with THREADS.limit(limits=1, user_api="openmp"):
            made = steered(
                one.sae, loading.ready, wanted.text, edits, more=wanted.more, seed=wanted.seed, seconds=SECONDS
            )
    finally:
        loading.work.release()
    return answer(made)


async def _posted(request: Request) -> Response:
    record: dict[str, Any] = await body(request)
    try:
        wanted = Wanted(**record)
    except ValidationError as error:
        raise explain(error, "the request", Wanted.model_fields) from None
    except TypeError:
        raise SparsightError("the request is no JSON object of names") from None
    return await run_in_threadpool(_steer, request, wanted)


routes = [
    Route("/run/{run}/steer", _start),
    Route("/run/{run}/steer/load", _load, methods=["POST"]),
    Route("/run/{run}/steer", _posted, methods=["POST"]),
]
