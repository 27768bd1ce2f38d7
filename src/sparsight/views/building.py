"""A sample, feature by feature, and the steps from samples to codes and back that pages share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

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
    all_features, all_codes = firing(sae.transform(raw))
    order = ordered(sae, all_features, all_codes)[0]
    features, codes = all_features[order][:steps], all_codes[order][:steps]
    sums = [(features[:n], codes[:n]) for n in range(len(features) + 1)]
    made = decoded(sae, ragged(sae, [*sums, (all_features, all_codes)]), raw).cpu()
    target = target_of(sae, raw, target)
    return Built(
        features=features.cpu(),
        codes=codes.cpu(),
        sums=made[:-1],
        added=(sae.rows(features) * codes[:, None]).cpu(),
        recon=made[-1],
        explained=[share(target, one, mean) for one in made[:-1]],
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


def firing(codes: Codes) -> tuple[Tensor, Tensor]:
    """Features and codes of one sample, where these are not 0, [m] each; nothing is done for the others."""
    if codes.is_dense:
        features = codes.values[0].nonzero().squeeze(1)
        return features, codes.values[0, features]
    values, index, _ = codes.sparse()
    some = values != 0
    return index[some], values[some]


def ordered(sae: SAE, features: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
    """The places of the largest parts first, and |code| ‖W_dec_j‖ of each, [m]."""
    parts = codes.abs() * sae.decoder.rows(features).norm(dim=1)
    return parts.argsort(descending=True, stable=True), parts


def ragged(sae: SAE, rows: Sequence[tuple[Tensor, Tensor]]) -> Codes:
    """The codes of samples of which features and codes are given."""
    ends = torch.tensor([0, *(len(features) for features, _ in rows)]).cumsum(0)
    features, codes = (torch.cat(parts) for parts in zip(*rows, strict=True))
    return Codes(codes, sae.n_latents, features, ends.to(features.device))


def decoded(sae: SAE, codes: Codes, raw: Tensor | None) -> Tensor:
    """What is made of codes in raw units, [B, D_out]; `raw`: the sample that all are of, [1, D]."""
    if raw is not None:
        raw = raw.expand(len(codes), -1)
    outputs = sae.in_raw_units(sae.decode(codes, None if raw is None else sae.preprocess(raw)), raw)
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
