"""Training: what a run does while it is trained, starting and stopping it, and the form that recipes are written in."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from sparsight import recipes
from sparsight.diagnosis import mended
from sparsight.errors import SparsightError
from sparsight.explore.app import numbers
from sparsight.explore.jobs import Job, Jobs
from sparsight.explore.reading import answer, body, raw
from sparsight.explore.shelf import Shelf
from sparsight.job import Recipe, completed
from sparsight.run import Run, finite
from sparsight.sources import open_source
from sparsight.views import forms, live, summary, tiles

EVERY = 0.5
"""Seconds between two looks at a run."""
AFTERWARDS = 60.0
"""Seconds for which a run that has ended is watched for its findings."""
BEAT = 15.0
"""Seconds after which something is sent where there is nothing to tell."""
_STARTING = threading.Lock()


def _run(request: Request) -> Run:
    shelf: Shelf = request.app.state.shelf
    return shelf.run(request.path_params["run"])


def _jobs(request: Request) -> Jobs:
    state = request.app.state
    with _STARTING:
        if not hasattr(state, "jobs"):
            state.jobs = Jobs(state.shelf.home)
    return state.jobs


def ending(app: Starlette) -> None:
    """Stop the trainings that were started here."""
    if hasattr(app.state, "jobs"):
        app.state.jobs.close()


def _log(request: Request) -> Response:
    """What is known of a training so far."""
    run = _run(request)
    return answer({**live.so_far(run), **_state(run, _jobs(request))})


def _state(run: Run, jobs: Jobs) -> dict[str, Any]:
    """`state`; whether it was started here, `ours`, and is `stopping`; and why it failed, `said`, where it did."""
    job = jobs.of(run)
    ours = job is not None and job.running
    return {
        "state": live.state(run),
        "ours": ours,
        "stopping": job is not None and ours and job.stopped,
        "said": None if job is None else job.said,
    }


def _live(request: Request) -> Response:
    """Server-sent events: those of `views.live.Live`, with `_state` as `state`."""
    (after,) = numbers(request.query_params.get("after", "0"), 1)
    run = _run(request)
    events = _events(request, run, live.Live(run, after), _jobs(request))
    return StreamingResponse(events, media_type="text/event-stream")


async def _events(request: Request, run: Run, watched: live.Live, jobs: Jobs) -> AsyncIterator[str]:
    told: dict[str, Any] = {}
    ended: float | None = None
    beat = time.monotonic()
    while not request.app.state.stopping():
        news, now, wrong = await run_in_threadpool(_look, run, watched, jobs)
        if wrong is not None:
            yield _event("error", {"error": wrong})
            return
        for name, value in news:
            if name != "state":
                yield _event(name, value)
        if now != told:
            told = now
            yield _event("state", now)
        if now["state"] in live.ENDS:
            ended = ended or time.monotonic()
            if watched.over or time.monotonic() - ended > AFTERWARDS:
                return
        if time.monotonic() - beat > BEAT:
            beat = time.monotonic()
            yield ": still here\n\n"  # a client that went away is noticed when something is sent to it
        await asyncio.sleep(EVERY)


def _look(run: Run, watched: live.Live, jobs: Jobs) -> tuple[list[live.Event], dict[str, Any], str | None]:
    """News, state, and what is wrong, so that nothing more can be told."""
    try:
        news, now = list(watched.news()), _state(run, jobs)
    except (SparsightError, OSError) as error:
        news, now, wrong = [], {}, str(error)
    else:
        wrong = None
    return news, now, wrong if run.path.is_dir() else "the folder of the run is gone"


def _event(name: str, value: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(finite(value), separators=(',', ':'))}\n\n"


def _tiles(request: Request) -> Response:
    """Filters of the features that are shown, as they are now."""
    run, of = _run(request), request.query_params.get("of", "decoder")
    found = live.model(run)
    if found is None:
        raise SparsightError(f"the run {run.path.name!r} has no checkpoint yet")
    return raw(tiles.of_filters(live.filters(found[1], of)))


def _form(request: Request) -> Response:
    return answer(forms.form())


def _recipe(request: Request) -> Response:
    """A named recipe as it is written, and with every default filled in."""
    given = recipes.read(_plain(request.path_params["recipe"]))
    return answer({"given": given, "completed": completed(Recipe.parse(given))})


def _plain(name: str) -> str:
    """The name of a recipe, which is no path.

    Raises:
        SparsightError: there is none of this name.
    """
    if name not in recipes.names():
        raise SparsightError(f"there is no recipe {name!r}: there is {', '.join(recipes.names())}")
    return name


def _recipe_of_run(request: Request) -> Response:
    recipe = _run(request).recipe
    return answer({"given": recipe, "completed": recipe})


async def _asked(request: Request) -> tuple[dict[str, Any], str | None]:
    """The recipe of a request, {"recipe": {...}, "source": "digits", "name": "mine"}, and the name of the run."""
    given = await body(request)
    recipe, source, name = given.get("recipe"), given.get("source"), given.get("name")
    if not isinstance(recipe, dict):
        raise SparsightError("the request holds no recipe")
    if not isinstance(source, str | None) or not isinstance(name, str | None):
        raise SparsightError("source and name are text")
    if source:
        recipe = {**recipe, "source": await run_in_threadpool(open_source, source)}
    return recipe, name


async def _check(request: Request) -> Response:
    """A recipe with every default filled in, and how it differs from sparsight's own of that name."""
    recipe, _ = await _asked(request)
    full = await run_in_threadpool(lambda: completed(Recipe.parse(recipe)))
    return answer({"completed": full, "changes": summary.changes(json.loads(json.dumps(full)))})


async def _start(request: Request) -> Response:
    recipe, name = await _asked(request)
    return answer(_record(request, await run_in_threadpool(_jobs(request).start, recipe, name)))


def _job(request: Request) -> Response:
    (number,) = numbers(request.path_params["job"], 1)
    return answer(_record(request, _jobs(request).job(number)))


def _record(request: Request, job: Job) -> dict[str, Any]:
    """A training, with the key of its run once there is one."""
    shelf: Shelf = request.app.state.shelf
    state = job.state
    keys = {} if state == "starting" else {run.path.resolve(): key for key, run in shelf.runs().items()}
    return {"job": job.number, "state": state, "said": job.said, "run": keys.get(job.place.resolve())}


def _stop(request: Request) -> Response:
    return answer(_record(request, _jobs(request).stop(_run(request))))


def _resume(request: Request) -> Response:
    return answer(_record(request, _jobs(request).resume(_run(request))))


def _mend(request: Request) -> Response:
    """Train the recipe of a run with the fixes of its findings."""
    run = _run(request)
    recipe, changes = mended(run.recipe, run.findings())
    job = _jobs(request).start(recipe, f"{run.path.name}-mended")
    return answer({**_record(request, job), "changes": changes})


routes = [
    Route("/run/{run}/log", _log),
    Route("/run/{run}/live", _live),
    Route("/run/{run}/live/tiles", _tiles),
    Route("/run/{run}/recipe", _recipe_of_run),
    Route("/run/{run}/stop", _stop, methods=["POST"]),
    Route("/run/{run}/resume", _resume, methods=["POST"]),
    Route("/run/{run}/mend", _mend, methods=["POST"]),
    Route("/form", _form),
    Route("/form", _check, methods=["POST"]),
    Route("/form/{recipe}", _recipe),
    Route("/jobs", _start, methods=["POST"]),
    Route("/jobs/{job}", _job),
]
