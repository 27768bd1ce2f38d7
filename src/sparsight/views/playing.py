"""What a model makes of a sample that somebody draws, and of codes that somebody sets."""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sparsight.core import SAE, Atlas, Codes, Source, generator
from sparsight.core.sampling import spread
from sparsight.errors import SparsightError, did_you_mean
from sparsight.views.features import numbers, packed

LOOKED_AT = 2048
"""Samples, evenly spread, that say what samples are like."""
_PURPOSE = 11


@dataclass(frozen=True)
class Ground:
    """What samples are like: what a new one is drawn on, and measured against."""

    low: Tensor  # [D], raw
    high: Tensor  # [D], raw
    usual: Tensor  # [D], the mean
    mean: Tensor  # [D_out], the mean of the targets
    paper: float
    """What pictures have at their border, in the middle: what is drawn on."""

    @classmethod
    def of(cls, source: Source) -> "Ground":
        """That of some samples."""
        ids = spread(len(source), LOOKED_AT)
        raw, targets = source.gather(ids), source.targets(ids)
        usual = raw.double().mean(0).float()
        mean = usual if targets is None else targets.double().mean(0).float()
        shape = source.schema.shape
        paper = raw.median()
        if shape is not None:
            pixels = raw.unflatten(1, (*shape[:2], -1))
            paper = torch.cat([pixels[:, at].flatten() for at in (0, -1)]).median()
        return cls(raw.amin(0), raw.amax(0), usual, mean, float(paper))

    def record(self) -> dict[str, Any]:
        """As pages read it; `low` and `high` of all inputs together, `lows` and `highs` of each."""
        return {
            "low": float(self.low.min()),
            "high": float(self.high.max()),
            "paper": self.paper,
            "lows": floats(self.low),
            "highs": floats(self.high),
            "usual": floats(self.usual),
        }


@dataclass(frozen=True)
class Played:
    """A sample, its codes, and what is made of them before and after an edit; all in raw units but for codes."""

    sample: Tensor  # [D]
    fires: int
    """Features that fire, of all."""
    features: Tensor  # [m], those with the largest parts, and then the edited ones that are not among them
    codes: Tensor  # [m]
    parts: Tensor  # [m], |code| ‖W_dec_j‖
    edited_codes: Tensor  # [m]
    rows: Tensor  # [m, D_out]
    recon: Tensor  # [D_out]
    edited: Tensor  # [D_out]
    explained: float | None
    """1 − ‖target − recon‖² / ‖target − mean‖²; None: the target is not known, or is the mean."""
    edited_explained: float | None

    def record(self) -> dict[str, Any]:
        """As pages read it."""
        return {
            "sample": floats(self.sample),
            "fires": self.fires,
            "features": self.features.tolist(),
            "codes": self.codes.tolist(),
            "parts": numbers(self.parts.numpy()),
            "edited_codes": self.edited_codes.tolist(),
            "rows": packed(self.rows),
            "recon": floats(self.recon),
            "edited": floats(self.edited),
            "explained": self.explained,
            "edited_explained": self.edited_explained,
        }


@torch.no_grad()
def played(
    sae: SAE,
    raw: Tensor,
    edits: Mapping[int, float] | None = None,
    most: int = 24,
    *,
    mean: Tensor | None = None,
    target: Tensor | None = None,
) -> Played:
    """What a model makes of one sample, and what of its codes once some are set.

    Args:
        sae: the model.
        raw: the sample, [D].
        edits: the codes of some features: 0 ablates one, another number sets it, or inserts it where it did not fire.
        most: features that are listed.
        mean: of the targets, [D_out], beside which the explained share is measured; None: it is not.
        target: what should come out, [D_out]; None: the sample, where the model rebuilds samples.

    Raises:
        SparsightError: the sample does not fit or is not finite, a feature does not exist, or what comes out is not
            finite.
    """
    raw = _checked(sae, raw)
    edits = _set(sae, edits or {})
    x = sae.preprocess(raw)
    codes = sae.encode(x).dense()
    changed = codes.clone()
    for feature, value in edits.items():
        changed[0, feature] = value
    recon, edited = _decoded(sae, codes, x), _decoded(sae, changed, x)
    active, parts = _parts(sae, codes[0])
    order = active[parts.argsort(descending=True, stable=True)[:most]].tolist()
    features = torch.tensor([*order, *(feature for feature in edits if feature not in set(order))], dtype=torch.long)
    target = _goal(sae, raw, target)
    norms = sae.decoder.rows(features).norm(dim=1)
    return Played(
        sample=raw[0].cpu(),
        fires=len(active),
        features=features,
        codes=codes[0, features].cpu(),
        parts=(codes[0, features].abs() * norms).cpu(),
        edited_codes=changed[0, features].cpu(),
        rows=sae.rows(features).cpu(),
        recon=recon[0].cpu(),
        edited=edited[0].cpu(),
        explained=_explained(target, recon[0], mean),
        edited_explained=_explained(target, edited[0], mean),
    )


@dataclass(frozen=True)
class Built:
    """A sample, feature by feature, in raw units."""

    features: Tensor  # [n], the largest part first
    codes: Tensor  # [n]
    sums: Tensor  # [n + 1, D_out], the first without any feature
    added: Tensor  # [n, D_out], code · row
    recon: Tensor  # [D_out], with all features
    explained: list[float | None]  # [n + 1], by each sum, as `Played` has it

    def record(self) -> dict[str, Any]:
        """As pages read it."""
        return {
            "features": self.features.tolist(),
            "codes": self.codes.tolist(),
            "sums": floats(self.sums),
            "added": packed(self.added),
            "recon": floats(self.recon),
            "explained": self.explained,
        }


@torch.no_grad()
def built(sae: SAE, raw: Tensor, steps: int, *, mean: Tensor | None = None, target: Tensor | None = None) -> Built:
    """One sample, [D], built feature by feature: first what is there without any, then the largest part first.

    A feature's part is |code| ‖W_dec_j‖.

    Args:
        sae: the model.
        raw: the sample.
        steps: features, at most.
        mean: as `played` has it.
        target: likewise.

    Raises:
        SparsightError: the sample does not fit, or something is not finite.
    """
    raw = _checked(sae, raw)
    x = sae.preprocess(raw)
    codes = sae.encode(x).dense()[0]
    active, parts = _parts(sae, codes)
    features = active[parts.argsort(descending=True, stable=True)[:steps]]
    n = len(features)
    partial = codes.new_zeros(n + 1, len(codes))
    partial[:, features] = codes[features].expand(n + 1, n).tril(-1)
    sums = _decoded(sae, partial, x.expand(n + 1, -1)).cpu()
    target = _goal(sae, raw, target)
    return Built(
        features=features.cpu(),
        codes=codes[features].cpu(),
        sums=sums,
        added=(sae.rows(features) * codes[features, None]).cpu(),
        recon=_decoded(sae, codes[None], x)[0].cpu(),
        explained=[_explained(target, made, mean) for made in sums],
    )


@dataclass(frozen=True)
class Sampled:
    """Codes that were drawn, and what is made of them in raw units."""

    codes: Tensor  # [n, F]
    outputs: Tensor  # [n, D_out]

    def record(self) -> dict[str, Any]:
        """As pages read it."""
        return {"fires": self.codes.count_nonzero(1).tolist(), "outputs": floats(self.outputs)}


@torch.no_grad()
def sampled(sae: SAE, atlas: Atlas, n: int, seed: int, label: str | None = None) -> Sampled:
    """Codes drawn at random from what the atlas knows, and what the decoder makes of them.

    Every feature fires on its own, with its `rate`, at one of the codes in `random_values`, a uniform draw of those at
    which it fired. With a label it fires with the probability class_mean / E|code where it fires|, at most 1, which
    takes the size of its code for the same in all classes.

    That is a model of independent features: each is as frequent and as large as in the data, but those that exclude
    each other meet, and those that belong together do not. What comes out shows what frequencies alone make.

    Args:
        sae: the model.
        atlas: of its features.
        n: samples.
        seed: of the codes.
        label: one of the classes that the atlas knows.

    Raises:
        SparsightError: there is no such class, the atlas is of another model, or codes alone do not decide the output.
    """
    if len(atlas) != sae.n_latents:
        raise SparsightError(f"the atlas is of {len(atlas)} features and the model has {sae.n_latents}: make it anew")
    rate = torch.from_numpy(np.array(atlas["rate"], np.float32)) if label is None else _rate_in(atlas, label)
    dice = generator(seed, _PURPOSE)
    at, features = (torch.rand(n, len(rate), generator=dice) < rate).nonzero(as_tuple=True)
    known = (atlas["random_ids"][features.numpy()] >= 0).sum(1)
    pick = (torch.rand(len(features), generator=dice).numpy() * known).astype(int)
    codes = torch.zeros(n, sae.n_latents)
    codes[at, features] = torch.from_numpy(np.array(atlas["random_values"][features.numpy(), pick], np.float32))
    return Sampled(codes, _decoded(sae, codes.to(sae.b_dec), None).cpu())


def _rate_in(atlas: Atlas, label: str) -> Tensor:
    """How often each feature fires in a class, [F]."""
    classes: Sequence[str] = atlas.samples["classes"] or ()
    if label not in classes or "class_mean" not in atlas:
        raise SparsightError(f"the atlas knows no class {label!r}; {did_you_mean(label, classes)}")
    there = atlas["random_ids"] >= 0
    size = np.abs(atlas["random_values"]).sum(1, where=there) / np.maximum(there.sum(1), 1)
    mean = np.asarray(atlas["class_mean"][:, list(classes).index(label)])
    return torch.from_numpy(np.clip(np.where(size > 0, mean / np.where(size > 0, size, 1), 0), 0, 1).astype(np.float32))


def _checked(sae: SAE, raw: Tensor) -> Tensor:
    """A sample as a batch, [1, D]."""
    if raw.ndim != 1 or len(raw) != sae.n_inputs:
        raise SparsightError(f"a sample has {sae.n_inputs} numbers, and here are {raw.numel()}")
    raw = raw.to(sae.b_dec)
    wrong = (~raw.isfinite()).nonzero().flatten().tolist()
    if wrong:
        name = sae.schema.names[wrong[0]] if sae.schema.names else f"number {wrong[0] + 1} of the sample"
        raise SparsightError(f"{name} is {float(raw[wrong[0]])}: give finite numbers")
    return raw[None]


def _set(sae: SAE, edits: Mapping[int, float]) -> Mapping[int, float]:
    for feature, value in edits.items():
        if not 0 <= feature < sae.n_latents:
            raise SparsightError(f"there is no feature {feature}: they go from 0 to {sae.n_latents - 1}")
        if not math.isfinite(value):
            raise SparsightError(f"feature {feature} cannot be set to {value}: give a finite number")
    return edits


def _parts(sae: SAE, codes: Tensor) -> tuple[Tensor, Tensor]:
    """The features that fire, and |code| ‖W_dec_j‖ of each, [m]; rows of the others are not looked at."""
    active = codes.nonzero().squeeze(1)
    return active, codes[active].abs() * sae.decoder.rows(active).norm(dim=1)


def _decoded(sae: SAE, codes: Tensor, x: Tensor | None) -> Tensor:
    """What is made of codes, [B, F], in raw units; only the rows of those that are not 0 are read."""
    counts = codes.count_nonzero(1)
    index = codes.nonzero(as_tuple=True)
    ragged = Codes(codes[index], sae.n_latents, index[1], functional.pad(counts.cumsum(0), (1, 0)))
    outputs = sae.preprocess_targets.inverse(sae.decode(ragged, x))
    if not outputs.isfinite().all():
        raise SparsightError("what the model makes of this is not finite: take smaller numbers")
    return outputs


def _goal(sae: SAE, raw: Tensor, target: Tensor | None) -> Tensor | None:
    """What should come out; None: nobody knows."""
    return raw[0] if target is None and sae.schema.n_targets is None else target


def _explained(target: Tensor | None, made: Tensor, mean: Tensor | None) -> float | None:
    if target is None or mean is None:
        return None
    goal = target.double().cpu()
    power = float((goal - mean.double()).square().sum())
    return 1 - float((goal - made.double().cpu()).square().sum()) / power if power > 0 else None


def floats(values: Tensor) -> str:
    """Numbers as float32, little-endian, in base64: a page has them as a Float32Array."""
    return base64.b64encode(values.cpu().numpy().astype("<f4").tobytes()).decode()
