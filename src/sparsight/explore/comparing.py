"""Runs beside each other: the table of all, and some of them feature by feature."""

from functools import lru_cache

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sparsight.comparison import NULLS, compare
from sparsight.core import Atlas
from sparsight.errors import SparsightError
from sparsight.explore.app import numbers
from sparsight.explore.reading import answer
from sparsight.explore.shelf import KEPT, Opened, Shelf, built
from sparsight.views import comparing, shelf

MOST = 400
"""Pairs, or features without a partner, of one answer."""


def _runs(request: Request) -> Response:
    """Every run as a row, with what their features cost and buy as charts."""
    served: Shelf = request.app.state.shelf
    record = shelf.described({key: run.path for key, run in served.runs().items()})
    return answer({**record, "charts": shelf.figures(record), "home": str(served.home)})


def _overall(request: Request) -> Response:
    keys, runs = _asked(request)
    matches = _matches(runs)
    sides = [None if one.sae.schema.shape is None or not one.sae.schema.alike else one.sae.schema.shape for one in runs]
    return answer(
        {
            **comparing.overall(matches, _atlases(runs)),
            "runs": [{"key": key, "shape": shape} for key, shape in zip(keys, sides, strict=True)],
            "charts": comparing.figures(dict(zip(keys[1:], matches, strict=True))),
        }
    )


def _pairs(request: Request) -> Response:
    _, runs = _asked(request)
    asked = request.query_params.get("measures")
    start, count = _page(request)
    return answer(
        comparing.page(
            _matches(runs),
            _atlases(runs),
            sort=request.query_params.get("sort", "cosine"),
            down=request.query_params.get("down", "1") == "1",
            start=start,
            count=count,
            asked=None if asked is None else [name for name in asked.split(",") if name],
        )
    )


def _alone(request: Request) -> Response:
    _, runs = _asked(request)
    which = _number(request, "of", 0)
    if which >= len(runs):
        raise SparsightError(f"there is no run {which} among {len(runs)}")
    start, count = _page(request)
    found = comparing.alone(_matches(runs), which)
    return answer({"of": len(found), "ids": found[start : start + count].tolist()})


def _measured(request: Request) -> Response:
    """Measure runs on the same samples, in the units of the data, beside their nulls."""
    served: Shelf = request.app.state.shelf
    keys = _keys(request, 1)
    record = compare([served.run(key) for key in keys], source=built(served.data), baselines=NULLS)
    return answer(comparing.measured(record, keys))


def _asked(request: Request) -> tuple[list[str], list[Opened]]:
    served: Shelf = request.app.state.shelf
    keys = _keys(request, 2)
    return keys, [served.opened(key) for key in keys]


def _keys(request: Request, least: int) -> list[str]:
    keys = [key for key in request.query_params.get("runs", "").split(",") if key]
    if len(set(keys)) != len(keys):
        raise SparsightError("a run cannot be compared with itself")
    if not least <= len(keys) <= KEPT:
        raise SparsightError(f"from {least} to {KEPT} runs can be compared at once, and these are {len(keys)}")
    return keys


def _page(request: Request) -> tuple[int, int]:
    start, count = _number(request, "from", 0), _number(request, "count", 50)
    if count > MOST:
        raise SparsightError(f"{count} at once: at most {MOST}")
    return start, count


def _number(request: Request, name: str, usual: int) -> int:
    found = numbers(request.query_params.get(name, str(usual)), 1)
    if not found:
        raise SparsightError(f"{name} is a number")
    return found[0]


@lru_cache(16)
def _matched(first: Opened, other: Opened) -> comparing.Match:
    return comparing.matched(first.sae, other.sae)


def _matches(runs: list[Opened]) -> list[comparing.Match]:
    first, *others = runs
    with first.lock:  # a second request waits for what the first finds
        return [_matched(first, other) for other in others]


def _atlases(runs: list[Opened]) -> list[Atlas]:
    """None where a run has none: pairs are shown all the same."""
    known = [one.atlas_if_any for one in runs]
    found = [atlas for atlas in known if atlas is not None]
    return found if len(found) == len(runs) else []


routes = [
    Route("/runs", _runs),
    Route("/compare", _overall),
    Route("/compare/pairs", _pairs),
    Route("/compare/alone", _alone),
    Route("/compare/measured", _measured, methods=["POST"]),
]
