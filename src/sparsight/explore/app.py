"""The server: what is asked for, by whom it is answered."""

import importlib
import pkgutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from sparsight import explore, pages
from sparsight.errors import SparsightError
from sparsight.explore.guard import Guard, TooLargeError
from sparsight.explore.shelf import Shelf, UnknownRunError


def app(shelf: Shelf, **guard: Any) -> Starlette:
    """The explorer of some runs.

    Every module of this package that has `routes` answers below /api; one that has `ending` is told when the server
    ends.

    Args:
        shelf: the runs.
        guard: what `Guard` is told.
    """
    modules = [importlib.import_module(f"{explore.__name__}.{m.name}") for m in pkgutil.iter_modules(explore.__path__)]
    answers: list[BaseRoute] = [route for module in modules for route in getattr(module, "routes", ())]

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        for module in modules:
            if hasattr(module, "ending"):
                module.ending(app)

    made = Starlette(
        routes=[
            Mount("/api", routes=answers),
            Route("/", _page),
            Route("/{name}", _file),
        ],
        middleware=[Middleware(Guard, **guard)],
        exception_handlers={SparsightError: _mistake, 404: _missing, 405: _missing, 500: _broken},
        lifespan=lifespan,
    )
    made.state.shelf = shelf
    made.state.stopping = lambda: False  # who serves it knows
    return made


def _page(request: Request) -> Response:
    return _content("index.html")


def _file(request: Request) -> Response:
    """A file of the front end, by a name that is looked up and never made into a path."""
    name = request.path_params["name"]
    if name not in pages.files():
        return JSONResponse({"error": "there is no such page"}, 404)
    return _content(name)


def _content(name: str) -> Response:
    content, kind = pages.files()[name]
    return Response(content, media_type=kind)


def _mistake(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 404 if isinstance(error, UnknownRunError) else 400)


def _missing(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "there is no such page"}, getattr(error, "status_code", 404))


def _broken(request: Request, error: Exception) -> Response:
    if isinstance(error, TooLargeError):
        raise error
    return JSONResponse({"error": f"this went wrong in the explorer itself: {type(error).__name__}"}, 500)


def numbers(text: str, most: int) -> list[int]:
    """Whole numbers with commas between, as addresses have them.

    Raises:
        SparsightError: something else, or more than `most`.
    """
    parts = text.split(",") if text else []
    if len(parts) > most:
        raise SparsightError(f"{len(parts)} numbers at once: at most {most}")
    if not all(part.isascii() and part.isdecimal() and len(part) < 12 for part in parts):
        raise SparsightError("numbers are written 3,1,2")
    return list(map(int, parts))
