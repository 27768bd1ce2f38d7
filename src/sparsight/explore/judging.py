"""What is wrong with a run, and what was claimed of it."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sparsight.diagnosis import diagnose
from sparsight.explore.reading import answer, opened
from sparsight.explore.shelf import built
from sparsight.views import evidence, findings


def _findings(request: Request) -> Response:
    return answer(findings.described(opened(request).run))


def _look(request: Request) -> Response:
    """Ask every rule, and keep what they find."""
    one = opened(request)
    with one.lock:
        one.run.put_findings(diagnose(one.run, built(one.data)))
    return _findings(request)


def _evidence(request: Request) -> Response:
    return answer(evidence.described(opened(request).run))


routes = [
    Route("/run/{run}/findings", _findings),
    Route("/run/{run}/findings", _look, methods=["POST"]),
    Route("/run/{run}/evidence", _evidence),
]
