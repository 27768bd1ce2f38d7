"""What was claimed of a run, as pictures and rows."""

import shlex
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from sparsight.core import SAE, Evidence
from sparsight.core.evidence import plain
from sparsight.run import Run
from sparsight.views import charts
from sparsight.views.pictures import coloured, tiled

REAL, STABLE, UNSTABLE = (0.1, 0.7, 0.25), (0.95, 0.75, 0.3), (0.7, 0.15, 0.1)
"""Red, green and blue of the frame around a feature that is real, and around others from a stability of 1 to 0."""
FRAME = 2
"""Its pixels."""
MOST = 400
"""Features of the picture."""


def described(run: Run) -> dict[str, Any]:
    """What was claimed of a run, as a record that JSON can hold.

    - `verified`: whether anything was claimed of the weights that it has now, and `outdated`: of others. Where nothing
      was, there is `command`, which does it, and nothing else;
    - `claims`: see `rows`, and the `numbers` themselves; `left_out`: claims that cannot be made of it, and why;
    - `features`: of up to 400, the real ones first and then by stability, the `ids` and a list for each column of the
      evidence; None where that is not known. `real` and `of`: how many are real, of how many;
    - `charts`: see `figures`; `seconds` that it took.

    Raises:
        SparsightError: a file of the run is damaged.
    """
    found = run.verified
    command = f"sparsight verify {shlex.quote(str(run.path))}"
    outdated = found is None and run.summary is not None and (run.path / "evidence.json").is_file()
    if found is None:
        return {"verified": False, "outdated": outdated, "ended": run.summary is not None, "command": command}
    ids = order(found)[:MOST]
    columns = {name: plain(values[ids]) for name, values in found.columns.items()} if len(ids) else {}
    real = found.columns.get("real")
    return {
        "verified": True,
        "outdated": False,
        "ended": True,
        "command": command,
        "claims": [
            {**row, "numbers": {key: getattr(claim, key) for key in ("value", "low", "high", "null")}}
            for row, claim in zip(rows(found), found.claims, strict=True)
        ],
        "left_out": dict(found.left_out),
        "features": {"ids": ids.tolist(), "columns": columns} if len(ids) else None,
        "real": None if real is None else int(real.sum()),
        "of": None if real is None else len(real),
        "charts": figures(found),
        "seconds": found.seconds,
    }


def order(evidence: Evidence) -> np.ndarray:
    """Features, the real ones first, then by stability, [F]; in their own order where that is not known."""
    if "real" not in evidence.columns:
        return np.arange(0)
    stability = np.nan_to_num(evidence.columns["stability"], nan=-1.0)
    return np.lexsort((-stability, ~evidence.columns["real"]))


def picture(evidence: Evidence, sae: SAE) -> np.ndarray | None:
    """Decoder rows in a frame: green around real ones, else from red to amber by stability; None without a geometry.

    Returns:
        uint8, [height, width, 3].
    """
    shape, ids = sae.schema.shape, order(evidence)[:MOST]
    if shape is None or not sae.schema.alike or not len(ids):
        return None
    rows = sae.filters()["decoder"][torch.from_numpy(ids)].unflatten(1, (*shape[:2], -1))
    peak = rows.abs().amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)
    tiles = coloured(0.5 + 0.5 * rows / peak)  # [n, H, W, 3]
    real = torch.from_numpy(evidence.columns["real"][ids])
    stable = torch.from_numpy(np.nan_to_num(evidence.columns["stability"][ids])).clamp(0, 1).float()
    colour = torch.lerp(torch.tensor(UNSTABLE), torch.tensor(STABLE), stable[:, None])
    colour = torch.where(real[:, None], torch.tensor(REAL), colour)
    framed = colour[:, None, None].expand(-1, shape[0] + 2 * FRAME, shape[1] + 2 * FRAME, -1).clone()
    framed[:, FRAME:-FRAME, FRAME:-FRAME] = tiles
    pixels = tiled(framed)
    return pixels.repeat(2, axis=0).repeat(2, axis=1)


def figures(evidence: Evidence) -> dict[str, str]:
    """Charts of what was found, title by title, as SVG."""
    found = {}
    columns = evidence.columns
    if "stability" in columns:
        counts, edges = np.histogram(columns["stability"][np.isfinite(columns["stability"])], 30, range=(0.0, 1.0))
        nulls = evidence["stability"].numbers["nulls"] if "stability" in evidence else {}
        marks = {} if not nulls else {"mean of null data": max(nulls.values())}
        found["Stability"] = charts.bars(counts, edges, x="median cosine to retrainings", y="features", marks=marks)
        points = np.stack([columns["nearest_null"], columns["stability"]], 1)
        found["Stability against null data"] = charts.scatter(
            points[np.isfinite(points).all(1)],
            columns["real"][np.isfinite(points).all(1)].astype(int),
            ("not real", "real"),
            x="cosine to the nearest feature of null data",
            y="median cosine to retrainings",
        )
    if "plants" in evidence:
        curve = evidence["plants"].numbers["curve"]
        size = np.log10([point["size"] for point in curve])
        series = {
            name: (size, np.array([point[key] for point in curve], dtype=np.float64))
            for name, key in (("found", "share"), ("without them", "null"))
        }
        found["Planted features that are found"] = charts.lines(
            series, x="power over that of the data, log₁₀", y="share found"
        )
    return found


def rows(evidence: Evidence) -> list[Mapping[str, Any]]:
    """The claims, each with `holds`, `value`, its interval and its null in words."""
    return [
        {
            "name": claim.name,
            "holds": claim.holds,
            "said": claim.said,
            "value": _short(claim.value),
            "interval": "" if claim.low is None else f"{_short(claim.low)} to {_short(claim.high)}",
            "null": _short(claim.null),
        }
        for claim in evidence.claims
    ]


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
