"""What pages say of features: filters, numbers and names as JSON has them, and all measures as a table."""

import base64
import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsight.core import SAE, Atlas, Source
from sparsight.errors import SparsightError
from sparsight.meters.shape import white_noise
from sparsight.views.pictures import png


def filters(sae: SAE, ids: np.ndarray) -> dict[str, Tensor]:
    """Encoder filters, decoder rows (where targets are like inputs) and their null in raw units, [n, D] each."""
    return {**sae.filters_of_inputs(torch.from_numpy(ids)), "null": white_noise(len(ids), sae.n_inputs)}


def levels(weights: Tensor) -> tuple[Tensor, Tensor]:
    """The peak of each filter, [n], and its weights as signed bytes, [n, D]: weight = byte / 127 · peak."""
    peaks = weights.abs().amax(1, keepdim=True)
    return peaks.squeeze(1), (127 * weights / peaks.clamp_min(1e-30)).round().to(torch.int8)


def packed(weights: Tensor) -> dict[str, Any]:
    """Filters as `levels` has them, with the bytes in base64, row by row."""
    peaks, bytes_ = levels(weights)
    return {"peaks": numbers(peaks.numpy()), "data": base64.b64encode(bytes_.numpy().tobytes()).decode()}


def numbers(values: np.ndarray) -> list[Any]:
    """Numbers with four digits, nested as the array is; None where there is none."""
    if values.ndim > 1:
        return [numbers(row) for row in values]
    if values.dtype.kind in "iub":
        return values.tolist()
    return [float(f"{v:.4g}") if np.isfinite(v) else None for v in values.tolist()]


def floats(values: Tensor) -> str:
    """Numbers as float32, little-endian, in base64: a page has them as a Float32Array."""
    return base64.b64encode(little(values.cpu().numpy())).decode()


def little(values: np.ndarray) -> bytes:
    """Numbers as float32, little-endian."""
    return np.ascontiguousarray(values, dtype="<f4").tobytes()


def within(ids: Sequence[int], count: int, what: str) -> None:
    """Raise where a number is not one of 0 to count − 1."""
    wrong = [at for at in ids if not 0 <= at < count]
    if wrong:
        raise SparsightError(f"there is no {what} {max(wrong)}: they go from 0 to {count - 1}")


def as_csv(atlas: Atlas, labels: Sequence[str] | None = None) -> str:
    """All features, one per line, with every measure that is one number, and their labels."""
    columns = atlas.numbers()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["feature", *columns, *([] if labels is None else ["label"])])
    for feature in range(len(atlas)):
        said = [] if labels is None else [labels[feature]]
        writer.writerow([feature, *(f"{column.values[feature]:.7g}" for column in columns.values()), *said])
    return text.getvalue()


def heaviest(sae: SAE, ids: np.ndarray, n: int) -> list[list[tuple[str, float]]]:
    """For each feature the `n` outputs with the largest weight in its decoder row, in raw units, by name."""
    rows = sae.filters(torch.from_numpy(ids))["decoder"]
    best = rows.abs().topk(min(n, rows.shape[1]), dim=1).indices
    kind = "input" if sae.schema.n_targets is None else "output"
    names = sae.schema.of_targets.names or [f"{kind} {i}" for i in range(rows.shape[1])]
    weights = rows.gather(1, best)
    return [
        [(names[i], float(f"{w:.4g}")) for i, w in zip(which, weight, strict=True)]
        for which, weight in zip(best.tolist(), weights.tolist(), strict=True)
    ]


def labelled(source: Source, ids: Tensor) -> list[str | None] | None:
    """The names of the classes of some samples; None: there are none."""
    labels, classes = source.labels(), source.schema.classes
    if labels is None or classes is None:
        return None
    return [classes[n] if n >= 0 else None for n in labels[ids].tolist()]


def data_uri(picture: np.ndarray | bytes, kind: str = "png") -> str:
    """A picture, or the bytes of a file of this kind, for an <img> that needs no file."""
    content = picture if isinstance(picture, bytes) else png(picture)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
