"""One pass of a model over samples: all that rules measure of its codes and reconstructions."""

import math
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from sparsight.core import Codes, Model, Schema
from sparsight.core.sampling import spread
from sparsight.errors import SparsightError
from sparsight.meters.moments import precise
from sparsight.meters.shape import moran

CHUNK = 1024
"""Samples that go through the model at once, at most,"""
CODES = 2**25
"""and so many codes."""
FEW = 16
"""Samples that are encoded twice."""
EDGE = 0.0025
"""h (1 − h) of a sigmoid below which hardly any gradient passes: |pre| > 6."""
COMPARED = 2048
"""Filters that are measured, at most, evenly spread over the features that fire."""
BASIS = 2000
"""Rows whose principal directions are found."""
CONSTANT = 0.02
"""An input is constant where its deviation is below this share of the largest."""


class Look:
    """What a model makes of samples, measured once; float64, in raw units.

    Args:
        model: what is looked at.
        x: raw samples, [n, D].
        target: raw targets, [n, D_out]; None: they are the samples.
        schema: what the samples are like.

    Raises:
        SparsightError: the model cannot take the samples, or what it gives back has another shape.
    """

    @torch.no_grad()
    def __init__(self, model: Model, x: Tensor, target: Tensor | None, schema: Schema) -> None:
        self.model, self.x, self.schema = model, x, schema
        self.target = x if target is None else target
        self.n = len(x)
        self.low, self.high = float("inf"), float("-inf")
        self.l0 = self.population = self.edge = 0.0
        first, recons = self._encode(x[:FEW]), []
        self.n_latents = first.n_latents
        self.unlike = self._unlike(first, self._encode(x[:FEW]))
        self.fired = torch.zeros(self.n_latents, dtype=torch.float64)
        self.total, self.squares = torch.zeros_like(self.fired), torch.zeros_like(self.fired)
        for rows in x.split(max(FEW, min(CHUNK, CODES // self.n_latents))):
            codes = self._encode(rows)
            self._count(codes)
            if model.decode is not None:
                recons.append(self._decode(codes, rows))
        self.recon = torch.cat(recons) if recons else None

    def _encode(self, rows: Tensor) -> Codes:
        codes = self.model.encode(rows)
        if len(codes) != len(rows):
            raise SparsightError(f"{len(rows)} samples gave {len(codes)} rows of codes: encode must give one for each")
        return codes

    def _decode(self, codes: Codes, rows: Tensor) -> Tensor:
        assert self.model.decode is not None
        recon = self.model.decode(codes, rows)
        if recon.shape != (len(codes), self.target.shape[1]):
            raise SparsightError(
                f"the reconstruction of {len(codes)} samples has the shape {tuple(recon.shape)}: "
                f"({len(codes)}, {self.target.shape[1]}) was expected"
            )
        return precise(recon).cpu()

    @staticmethod
    def _unlike(codes: Codes, again: Codes) -> float:
        """The largest difference of two calls, as a share of the largest code."""
        first, second = codes.dense(), again.dense()
        size = float(first.abs().max()) or 1.0
        return float((first - second).abs().max()) / size

    def _count(self, codes: Codes) -> None:
        values = precise(codes.values).cpu()
        if codes.is_dense:
            codes = Codes(values, codes.n_latents)
        else:
            _, index, offsets = codes.sparse()
            codes = Codes(values, codes.n_latents, index.cpu(), offsets.cpu())
        fires = codes.map(lambda values: (values != 0).double())
        square = codes.map(torch.square)
        self.fired += fires.per_feature_sum()
        self.total += codes.per_feature_sum()
        self.squares += square.per_feature_sum()
        self.l0 += float(fires.per_sample_sum().sum()) / self.n
        power, size = square.per_sample_sum(), codes.map(torch.abs).per_sample_sum()
        n = self.n_latents
        spread_ = torch.where(power > 0, 1 - (size / n).square() / (power / n).clamp(min=1e-300), 1.0)
        self.population += float((spread_ / (1 - 1 / n) if n > 1 else spread_).sum()) / self.n
        if len(codes.values):
            self.low = min(self.low, float(codes.values.min()))
            self.high = max(self.high, float(codes.values.max()))
        if not codes.is_dense:
            self.low, self.high = min(self.low, 0.0), max(self.high, 0.0)
        edge = (codes.values * (1 - codes.values) < EDGE).sum() if codes.is_dense else 0
        self.edge += float(edge) / (self.n * n)

    @cached_property
    def prepared(self) -> Tensor:
        """What the encoder sees of the samples, [n, D], as far as that is known; else the samples."""
        return precise(self.x if self.model.prepare is None else self.model.prepare(self.x)).cpu()

    @property
    def finite(self) -> bool:
        """Whether no code and no reconstruction is NaN or infinite."""
        sums = [self.squares, *([] if self.recon is None else [self.recon])]
        return all(bool(part.isfinite().all()) for part in sums)

    @property
    def mean(self) -> Tensor:
        """q_j = E_b[ codes_bj ], [F]."""
        return self.total / self.n

    @property
    def rate(self) -> Tensor:
        """The share of samples in which each feature fires, [F]."""
        return self.fired / self.n

    @cached_property
    def deviation(self) -> Tensor:
        """√Var_b[ codes_bj ], [F]."""
        return (self.squares / self.n - self.mean.square()).clamp(min=0).sqrt()

    @property
    def dense(self) -> bool:
        """Whether codes are hardly ever 0, as those of sigmoid units."""
        return self.l0 > 0.9 * self.n_latents

    @property
    def unit(self) -> bool:
        """Whether codes are those of sigmoid units: between 0 and 1, and hardly ever 0."""
        return self.dense and self.low >= 0 and self.high <= 1

    @cached_property
    def live(self) -> Tensor:
        """The features that do anything, [A]."""
        typical = float(self.deviation.max())
        return ((self.fired > 0) & (self.deviation > 1e-6 * typical)).nonzero().squeeze(1)

    @cached_property
    def unexplained(self) -> float | None:
        """Σ‖target − recon‖² / Σ‖target − mean‖²; None: nobody knows how to decode."""
        if self.recon is None:
            return None
        power = float((precise(self.target) - precise(self.target).mean(0)).square().sum())
        return float((precise(self.target) - self.recon).square().sum()) / power if power else None

    @cached_property
    def spread(self) -> float:
        """√(Var recon / Var target), summed over outputs; 1 where all targets are equal, or nothing is rebuilt."""
        power = float(precise(self.target).var(0).sum())
        return (float(self.recon.var(0).sum()) / power) ** 0.5 if self.recon is not None and power else 1.0

    @cached_property
    def errors(self) -> Tensor | None:
        """‖target − recon‖² of each sample, [n]."""
        return None if self.recon is None else (precise(self.target) - self.recon).square().sum(1)

    @cached_property
    def std(self) -> Tensor:
        """The deviation of each input, [D]."""
        return precise(self.x).std(0)

    @cached_property
    def smoothness(self) -> float:
        """Median Moran's I of samples less their mean; NaN where they have no geometry."""
        if self.schema.shape is None:
            return math.nan
        x = precise(self.x)
        return float(moran(x - x.mean(0), self.schema.shape).nanmedian())

    @cached_property
    def constant(self) -> Tensor:
        """The inputs that hardly vary, [D], bool."""
        return self.std < CONSTANT * self.std.max()

    @cached_property
    def measured(self) -> Tensor:
        """The features whose filters are measured, [m], all that do anything where they are not too many."""
        return self.live[spread(len(self.live), COMPARED)]

    @cached_property
    def filters(self) -> dict[str, Tensor]:
        """`encoder` filters and `decoder` rows of the features that are measured, [m, D], as far as they are known."""
        known = {"encoder": self.model.W_enc, "decoder": self.model.W_dec}
        return {of: precise(w).cpu()[self.measured] for of, w in known.items() if w is not None}

    @cached_property
    def pictured(self) -> dict[str, Tensor]:
        """Those of `filters` that have the geometry of the samples; none where those have none."""
        if self.schema.shape is None:
            return {}
        return {of: w for of, w in self.filters.items() if w.shape[1] == self.schema.n_inputs}


def principal(x: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """The n first principal directions of rows without their mean, [n, D], and their shares of the variance, [n].

    They are those of up to 2,000 rows, evenly spread, and found on the smaller side: no matrix is larger than that.
    """
    rows = x[spread(len(x), BASIS)]
    rows = rows - rows.mean(0)
    power = float(rows.square().sum()) or 1.0
    if len(rows) < rows.shape[1]:
        values, left = torch.linalg.eigh(rows @ rows.T)
        vectors = functional.normalize(left[:, -n:].T @ rows, dim=1)
    else:
        values, right = torch.linalg.eigh(rows.T @ rows)
        vectors = right[:, -n:].T
    return vectors.flip(0), values[-n:].flip(0) / power
