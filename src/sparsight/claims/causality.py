"""Causality."""

from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from sparsight.claims._case import Case
from sparsight.claims._check import Check, Columns
from sparsight.claims._intervals import mean_of
from sparsight.claims._probes import readout
from sparsight.core import SAE, Claim, Codes, Source, generator
from sparsight.core.sampling import spread
from sparsight.spec import register

EACH = 32
"""Samples that a feature is put into, and as many that it is taken out of."""
SAMPLES = 2_000
"""Samples that these are chosen from."""
MOST = 2_048
"""Features that this is done to; of more, evenly spread ones."""
CHANCE = 0.95
"""A feature acts where its response is above this quantile of those to random directions."""
_PURPOSE = 51


@register("claim", "causality")
class Causality(Check):
    """A feature that is put into samples fires, one that is taken out stops, and a random direction does neither.

    For a feature j with the mean code s where it fires: into samples x in which it does not fire, what the decoder
    makes of s is added, x + δ with δ = recon(codes + s e_j) − recon(codes); its code changes by Δ, and the response is
    Δ / s. From samples in which it fires with c, what the decoder makes of c is taken; the response is −Δ / c.
    `response` is the mean of both; its null is that to random directions of the same lengths.

    Where samples have labels, `logits` is what taking it out does to the class logits of a linear reading B of the
    codes (least squares on classes), E_fires[ |c| ] std_class( B_j ); its null is the 95 % quantile with labels in
    random order.
    """

    def __init__(self, *, each: Annotated[int, Field(ge=1)] = EACH) -> None:
        self.each = each

    def __call__(self, case: Case) -> tuple[Claim, Columns]:
        response, null = responses(case.sae, case.test, self.each)
        known = response[~response.isnan()].numpy()
        bar = threshold(null)
        acts = known > bar
        mean, low, high = mean_of(known) if len(known) else (float("nan"),) * 3
        share, chance = float(acts.mean()) if len(known) else 0.0, float(null.nanmean())
        read = readout(case)
        columns = {"response": response.numpy(), **({} if read is None else {"logits": read.effect})}
        said = (
            f"put into samples or taken out of them, a feature moves its own code by {mean:.2f} of what was put or "
            f"taken, where a random direction moves it by {chance:.2f}; {share:.0%} of {len(known):,} features do "
            "so by more than the 95 % quantile of chance"
        )
        numbers = {"acting": share, "features": len(known), "chance": chance, "bar": bar}
        if read is not None:
            live = np.isfinite(read.effect)
            numbers["logits.acting"] = float((read.effect > read.null)[live].mean())
            said += f"; {numbers['logits.acting']:.0%} move class logits by more than with labels in random order"
        return Claim(
            name="causality",
            said=said,
            value=mean,
            low=low,
            high=high,
            null=chance,
            holds=bool(len(known)) and low > chance and share > 0.5,
            numbers=numbers,
        ), columns


def threshold(null: Tensor) -> float:
    """The response that chance stays below in 95 % of features."""
    known = null[~null.isnan()]
    return float(known.quantile(CHANCE)) if len(known) else 0.0


@torch.no_grad()
def responses(sae: SAE, source: Source, each: int = EACH) -> tuple[Tensor, Tensor]:
    """The response of each feature, and that to random directions, [F] each; NaN where it does not fire."""
    raw = source.gather(spread(len(source), SAMPLES)).to(sae.b_dec)
    codes = sae.transform(raw).dense()
    found = torch.full((2, sae.n_latents), torch.nan, dtype=torch.float64)
    for feature in spread(sae.n_latents, MOST).tolist():
        fires = codes[:, feature] != 0
        if fires.any():
            dice = generator(_PURPOSE, feature)
            size = codes[fires, feature].mean()
            inside, outside = (which.nonzero().squeeze(1)[:each] for which in (fires, ~fires))
            at = torch.cat([outside, inside])
            change = torch.cat([size.expand(len(outside)), -codes[inside, feature]])
            found[:, feature] = _response(sae, raw[at], codes[at], feature, change, dice)
    return found[0], found[1]


def _response(sae: SAE, raw: Tensor, codes: Tensor, feature: int, change: Tensor, dice: torch.Generator) -> Tensor:
    """Δ code / change, the mean over samples: of what the decoder makes of the change, of random directions, [2]."""
    x = sae.preprocess(raw)
    moved = codes.clone()
    moved[:, feature] += change
    before, after = (sae.in_raw_units(sae.decode(Codes(those, sae.n_latents), x)) for those in (codes, moved))
    delta = after - before
    random = (
        functional.normalize(torch.randn(delta.shape, generator=dice), dim=1).to(delta) * delta.norm(dim=1)[:, None]
    )
    return torch.stack(
        [
            ((sae.transform(raw + d).dense()[:, feature] - codes[:, feature]) / change).double().mean()
            for d in (delta, random)
        ]
    ).cpu()
