"""What a model makes of a sample that somebody draws, and of codes that somebody sets."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsight.core import SAE, Atlas, Codes, Source, generator
from sparsight.core.sampling import spread
from sparsight.errors import SparsightError, did_you_mean
from sparsight.views.building import checked, decoded, firing, ordered, ragged, share, target_of
from sparsight.views.contexts import word
from sparsight.views.features import floats, labelled, numbers, packed, within
from sparsight.views.samples import chosen

LOOKED_AT = 2048
"""Samples, evenly spread, that say what samples are like."""
EXAMPLES = 24
"""Samples that are offered."""
_PURPOSE = 11


@dataclass(frozen=True)
class Range:
    """What rows of numbers are like, in raw units."""

    low: Tensor  # [D]
    high: Tensor  # [D]
    mean: Tensor  # [D]

    @classmethod
    def of(cls, rows: Tensor) -> "Range":
        """That of some rows, [n, D]."""
        return cls(rows.amin(0), rows.amax(0), rows.double().mean(0).float())

    def record(self) -> dict[str, Any]:
        """As pages read it; `low` and `high` of all numbers together, `lows` and `highs` of each."""
        return {
            "low": float(self.low.min()),
            "high": float(self.high.max()),
            "lows": floats(self.low),
            "highs": floats(self.high),
            "mean": floats(self.mean),
        }


@dataclass(frozen=True)
class Ground:
    """What samples are like: what a new one is drawn on, and measured against."""

    inputs: Range
    outputs: Range
    """Of the targets; where they are the inputs, the same."""
    paper: float
    """What pictures have at their border, in the middle: what is drawn on."""

    @classmethod
    def of(cls, source: Source) -> "Ground":
        """That of some samples."""
        ids = spread(len(source), LOOKED_AT)
        raw, targets = source.gather(ids), source.targets(ids)
        inputs, shape = Range.of(raw), source.schema.shape
        pixels = raw if shape is None else raw.unflatten(1, (*shape[:2], -1))[:, [0, -1]]
        return cls(inputs, inputs if targets is None else Range.of(targets), float(pixels.median()))


def start(sae: SAE, source: Source, ground: Ground, atlas: Atlas | None) -> dict[str, Any]:
    """What a playground begins with.

    - `inputs` and `outputs`: their `count`; their `shape`, where they are pictures; their `names`, where they have
      some; and what `Range` says. `sites` with their widths. `features`: how many. `paper`: as `Ground` has it.
    - `bounds`: codes never leave them; None where there is none.
    - `samples`: how many there are; `examples`: some that show what there is, with their `labels`.
    - `generates`: None, or why no codes can be drawn; `classes`: of which they can.
    """
    schema, made, ids = sae.schema, sae.schema.of_targets, chosen(source, EXAMPLES)
    return {
        "inputs": {"count": sae.n_inputs, "shape": schema.shape, "names": schema.names, **ground.inputs.record()},
        "outputs": {"count": made.n_inputs, "shape": made.shape, "names": made.names, **ground.outputs.record()},
        "sites": schema.sites,
        "features": sae.n_latents,
        "paper": ground.paper,
        "bounds": [bound if math.isfinite(bound) else None for bound in sae.activation.bounds],
        "samples": len(source),
        "examples": ids.tolist(),
        "labels": labelled(source, ids) or _words(source, ids),
        "generates": _why_not(sae, atlas),
        "classes": atlas.samples["classes"] if atlas is not None and "class_mean" in atlas else None,
    }


def _words(source: Source, ids: Tensor) -> list[str] | None:
    """The words that samples are; None: they are none."""
    found = source.words()
    return None if found is None else [word(found[1][n]) if n >= 0 else "" for n in found[0][ids].tolist()]


def _why_not(sae: SAE, atlas: Atlas | None) -> str | None:
    if atlas is None:
        return "make the atlas first: it knows how often features fire"
    try:
        sae.decode(Codes.none(1, sae.n_latents, sae.b_dec))
    except SparsightError as error:
        return str(error)
    return None


@dataclass(frozen=True)
class Played:
    """A sample, its codes, and what is made of them before and after an edit; all in raw units but for codes."""

    sample: Tensor  # [D]
    target: Tensor | None  # [D_out], what should come out, where that is known
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
            "target": None if self.target is None else floats(self.target),
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
    raw = checked(sae, raw)
    edits = _set(sae, edits or {})
    active, codes = firing(sae.transform(raw))
    changed = _edited(active, codes, edits)
    both = decoded(sae, ragged(sae, [(active, codes), changed]), raw)
    order, parts = ordered(sae, active, codes)
    shown = active[order[:most]]
    more = torch.tensor([feature for feature in edits if feature not in set(shown.tolist())]).to(active)
    features = torch.cat([shown, more])
    target = target_of(sae, raw, target)
    return Played(
        sample=raw[0].cpu(),
        target=None if target is None else target.cpu(),
        fires=len(active),
        features=features.cpu(),
        codes=_looked_up(features, active, codes).cpu(),
        parts=_looked_up(features, active, parts).cpu(),
        edited_codes=_looked_up(features, *changed).cpu(),
        rows=sae.rows(features).cpu(),
        recon=both[0].cpu(),
        edited=both[1].cpu(),
        explained=share(target, both[0], mean),
        edited_explained=share(target, both[1], mean),
    )


def _edited(features: Tensor, codes: Tensor, edits: Mapping[int, float]) -> tuple[Tensor, Tensor]:
    """Features and codes with some of them set."""
    places = torch.tensor(list(edits), dtype=features.dtype, device=features.device)
    kept = ~torch.isin(features, places)
    values = torch.tensor(list(edits.values()), dtype=codes.dtype, device=codes.device)
    return torch.cat([features[kept], places]), torch.cat([codes[kept], values])


def _looked_up(wanted: Tensor, features: Tensor, values: Tensor) -> Tensor:
    """The value of each wanted feature, 0 where it has none."""
    at = wanted[:, None] == features
    return torch.where(at, values, 0).sum(1)


@dataclass(frozen=True)
class Sampled:
    """Codes that were drawn, and what is made of them in raw units."""

    codes: Codes  # [n, F]
    outputs: Tensor  # [n, D_out]

    def record(self) -> dict[str, Any]:
        """As pages read it."""
        return {"fires": self.codes.l0().tolist(), "outputs": floats(self.outputs)}


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
    values = torch.from_numpy(np.array(atlas["random_values"][features.numpy(), pick], np.float32)).to(sae.b_dec)
    codes = Codes(values, sae.n_latents, features, torch.searchsorted(at, torch.arange(n + 1)))
    return Sampled(codes, decoded(sae, codes, None).cpu())


def _rate_in(atlas: Atlas, label: str) -> Tensor:
    """How often each feature fires in a class, [F]."""
    classes: Sequence[str] = atlas.samples["classes"] or ()
    if label not in classes or "class_mean" not in atlas:
        raise SparsightError(f"the atlas knows no class {label!r}; {did_you_mean(label, classes)}")
    there = atlas["random_ids"] >= 0
    size = np.abs(atlas["random_values"]).sum(1, where=there) / np.maximum(there.sum(1), 1)
    mean = np.asarray(atlas["class_mean"][:, list(classes).index(label)])
    return torch.from_numpy(np.clip(np.where(size > 0, mean / np.where(size > 0, size, 1), 0), 0, 1).astype(np.float32))


def _set(sae: SAE, edits: Mapping[int, float]) -> Mapping[int, float]:
    within(list(edits), sae.n_latents, "feature")
    for feature, value in edits.items():
        if not math.isfinite(value):
            raise SparsightError(f"feature {feature} cannot be set to {value}: give a finite number")
    return edits
