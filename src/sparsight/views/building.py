"""A sample, feature by feature, and the steps from samples to codes and back that pages share."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sparsight.core import SAE, Codes
from sparsight.errors import SparsightError
from sparsight.views.features import floats, packed


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
    raw = checked(sae, raw)
    x = sae.preprocess(raw)
    codes = sae.encode(x).dense()[0]
    active, parts = firing(sae, codes)
    features = active[parts.argsort(descending=True, stable=True)[:steps]]
    n = len(features)
    partial = codes.new_zeros(n + 1, len(codes))
    partial[:, features] = codes[features].expand(n + 1, n).tril(-1)
    sums = decoded(sae, partial, x.expand(n + 1, -1)).cpu()
    target = target_of(sae, raw, target)
    return Built(
        features=features.cpu(),
        codes=codes[features].cpu(),
        sums=sums,
        added=(sae.rows(features) * codes[features, None]).cpu(),
        recon=decoded(sae, codes[None], x)[0].cpu(),
        explained=[share(target, made, mean) for made in sums],
    )


def checked(sae: SAE, raw: Tensor) -> Tensor:
    """A sample as a batch, [1, D]."""
    if raw.ndim != 1 or len(raw) != sae.n_inputs:
        raise SparsightError(f"a sample has {sae.n_inputs} numbers, and here are {raw.numel()}")
    raw = raw.to(sae.b_dec)
    wrong = (~raw.isfinite()).nonzero().flatten().tolist()
    if wrong:
        name = sae.schema.names[wrong[0]] if sae.schema.names else f"number {wrong[0] + 1} of the sample"
        raise SparsightError(f"{name} is {float(raw[wrong[0]])}: give finite numbers")
    return raw[None]


def firing(sae: SAE, codes: Tensor) -> tuple[Tensor, Tensor]:
    """The features that fire, and |code| ‖W_dec_j‖ of each, [m]; rows of the others are not looked at."""
    active = codes.nonzero().squeeze(1)
    return active, codes[active].abs() * sae.decoder.rows(active).norm(dim=1)


def decoded(sae: SAE, codes: Tensor, x: Tensor | None) -> Tensor:
    """What is made of codes, [B, F], in raw units; only the rows of those that are not 0 are read."""
    counts = codes.count_nonzero(1)
    index = codes.nonzero(as_tuple=True)
    ragged = Codes(codes[index], sae.n_latents, index[1], functional.pad(counts.cumsum(0), (1, 0)))
    outputs = sae.preprocess_targets.inverse(sae.decode(ragged, x))
    if not outputs.isfinite().all():
        raise SparsightError("what the model makes of this is not finite: take smaller numbers")
    return outputs


def target_of(sae: SAE, raw: Tensor, target: Tensor | None) -> Tensor | None:
    """What should come out; None: nobody knows."""
    return raw[0] if target is None and sae.schema.n_targets is None else target


def share(target: Tensor | None, made: Tensor, mean: Tensor | None) -> float | None:
    """1 − ‖target − made‖² / ‖target − mean‖²; None: something is not known, or the target is the mean."""
    if target is None or mean is None:
        return None
    goal = target.double().cpu()
    power = float((goal - mean.double()).square().sum())
    return 1 - float((goal - made.double().cpu()).square().sum()) / power if power > 0 else None
