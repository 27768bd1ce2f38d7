"""Whether a model that was read rebuilds what it should: figures on a sample, and which convention would fit better."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsight.core import SAE, Source
from sparsight.core.sampling import spread
from sparsight.errors import SparsightError
from sparsight.interchange._format import with_bias_moved
from sparsight.layers.linear import LinearEncoder
from sparsight.sources import open_source
from sparsight.spec import build

MOST = 2_000
"""Samples that are looked at."""
BETTER = 0.5
"""Another convention is named where it leaves less than this share of what is left unexplained."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a model does to a sample, in the units of the data."""

    samples: int
    explained_variance: float
    """1 − Σ‖target − recon‖² / Σ‖target − mean‖²; null: 0, of the mean."""
    l0: float
    """Features that fire per sample."""
    n_latents: int
    silent: int
    """Features that never fired."""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"{self.explained_variance:.1%} of the variance of {self.samples:,} samples explained (null, the mean: 0%) "
            f"with {self.l0:.1f} of {self.n_latents:,} features per sample, {self.silent:,} that never fired"
        )


def sample(data: Any, most: int = MOST) -> tuple[Tensor, Tensor | None]:
    """Up to `most` samples, evenly spaced, [n, D], and their targets where a source has some; float32.

    Args:
        data: a source, rows of numbers, or the path of data.
        most: how many.

    Raises:
        SparsightError: they cannot be read, are no rows of numbers, or hold NaN or infinity.
    """
    if isinstance(data, str | Path):
        data = build("source", open_source(str(data)))
    if isinstance(data, Source):
        ids = spread(len(data), most)
        return _finite(data.gather(ids)), data.targets(ids)
    rows = data.detach().cpu() if isinstance(data, Tensor) else torch.from_numpy(np.asarray(data, dtype=np.float32))
    if rows.ndim < 2 or not len(rows):
        raise SparsightError(f"samples must be rows of numbers, [n, D], and these are {list(rows.shape)}")
    ids = spread(len(rows), most)
    return _finite(rows[ids].flatten(1).float()), None


def _finite(rows: Tensor) -> Tensor:
    bad = int((~rows.isfinite().all(1)).sum())
    if bad:
        raise SparsightError(f"{bad} of {len(rows)} samples hold NaN or infinity: remove them or fill them in")
    return rows


def explained(target: Tensor, recon: Tensor) -> float:
    """1 − Σ‖target − recon‖² / Σ‖target − mean‖², in float64; NaN where all targets are equal."""
    target, recon = target.double(), recon.double()
    power = (target - target.mean(0)).square().sum()
    return float(1 - (target - recon).square().sum() / power) if power else float("nan")


@torch.no_grad()
def check(sae: SAE, data: Any, target: Any = None) -> Checked:
    """Rebuild a sample, and see whether the model belongs to it.

    Where it explains little, other conventions are tried: samples scaled, centred or normalised as training
    pipelines do, and `b_dec` subtracted before the encoder or not.

    Args:
        sae: the model.
        data: a source, rows of numbers, or the path of data; 2,000 samples of it are looked at.
        target: the targets of rows of numbers, where the model maps to others.

    Raises:
        SparsightError: the widths differ, targets are missing, or the model is worse than the mean of the data; the
            sentence says which convention would fit.
    """
    x, found = sample(data)
    goal = found if target is None else sample(target)[0]
    if x.shape[1] != sae.n_inputs:
        raise SparsightError(f"the samples have {x.shape[1]} numbers, and the model takes {sae.n_inputs}: give others")
    if sae.schema.n_targets is not None and (goal is None or goal.shape[1] != sae.schema.n_targets):
        raise SparsightError(f"the model maps to {sae.schema.n_targets} numbers: give targets of that width")
    goal = x if goal is None or sae.schema.n_targets is None else goal
    codes = sae.transform(x.to(sae.b_dec))
    value = explained(goal, sae.reconstruct(x.to(sae.b_dec)).cpu())
    notes: tuple[str, ...] = ()
    others = sorted(_others(sae, x), key=lambda other: -round(other[0], 2)) if goal is x else []
    if others and others[0][0] > max(0.0, 1 - BETTER * (1 - value)):
        notes = (f"{others[0][0]:.1%} of the variance would be explained {others[0][1]}",)
    checked = Checked(
        samples=len(x),
        explained_variance=value,
        l0=float(codes.l0().double().mean()),
        n_latents=sae.n_latents,
        silent=int((~codes.fires()).sum()),
        notes=notes,
    )
    if not value >= 0:
        hint = notes[0] if notes else "no usual scaling of the samples and no convention of b_dec fits better: are they"
        hint += "" if notes else " the data that it was trained on?"
        raise SparsightError(
            f"the model does not fit these samples: the explained variance is {value:.3g}, worse than their mean would "
            f"do, with {checked.l0:.1f} of {sae.n_latents:,} features per sample; {hint}"
        )
    return checked


def _others(sae: SAE, x: Tensor) -> Iterator[tuple[float, str]]:
    """The explained variance under each other convention, and in which case."""
    mean, length = x.mean(0), x.norm(dim=1, keepdim=True)
    scale = x.shape[1] ** 0.5 / length.mean().clamp_min(1e-12)
    centre, spread = x.mean(1, keepdim=True), x.std(1, keepdim=True) + 1e-5
    power = (x - mean).square().mean().sqrt().clamp_min(1e-12)
    each = x.shape[1] ** 0.5 / length.clamp_min(1e-12)
    ways: dict[str, tuple[Any, Any]] = {
        "": (0.0, 1.0),
        f"the samples are multiplied by {scale:.4g}, so that their mean length is √D": (0.0, 1 / scale),
        f"the samples are divided by {power:.4g}, so that their variance is 1": (0.0, power),
        "the mean of the samples is subtracted": (mean, 1.0),
        "the samples are centred and divided by one number, so that their variance is 1": (mean, power),
        "each input has its mean subtracted and is divided by its own spread": (mean, x.std(0).clamp_min(1e-12)),
        "each sample is scaled to the length √D by itself": (0.0, 1 / each),
        "each sample has its own mean subtracted and is divided by its own spread (layer norm)": (centre, spread),
    }
    models = {"": sae}
    if isinstance(sae.encoder, LinearEncoder) and sae.encoder.biased and sae.b_dec.any():
        shift = sae.W_enc @ sae.b_dec
        models["b_dec is not subtracted before the encoder (add W_enc b_dec to b_enc)"] = with_bias_moved(sae, shift)
        models["b_dec is subtracted before the encoder (take W_enc b_dec off b_enc)"] = with_bias_moved(sae, -shift)
    for of_model, model in models.items():
        for of_samples, (shift, size) in ways.items():
            said = " and ".join(part for part in (of_samples, of_model) if part)
            if said:
                recon = model.reconstruct(((x - shift) / size).to(sae.b_dec)).cpu() * size + shift
                yield explained(x, recon), f"if {said}"
