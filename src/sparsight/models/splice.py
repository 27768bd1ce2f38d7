"""What a model still does when what a layer gives is replaced by its reconstruction."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from sparsight.core import SAE
from sparsight.core.taps import editing
from sparsight.errors import SparsightError
from sparsight.feeds import Block
from sparsight.models.outcomes import Measured, outcome_of
from sparsight.models.reading import Reading

Change = Callable[[Tensor], Tensor]
FLOORS = ("zero", "mean")
"""What a reconstruction is held against."""


@dataclass
class Sums:
    """Sums over what was measured, and of each sequence its loss and its tokens."""

    weight: float = 0.0
    totals: dict[str, float] = field(default_factory=dict)
    per_sequence: list[Tensor] = field(default_factory=list)

    def add(self, measured: Measured) -> None:
        """Those of a block."""
        self.weight += measured.weight
        for name, value in measured.sums.items():
            self.totals[name] = self.totals.get(name, 0.0) + value
        if measured.losses is not None:
            self.per_sequence.append(measured.losses)

    def means(self) -> dict[str, float]:
        """What was measured, per unit."""
        return {name: total / self.weight if self.weight else math.nan for name, total in self.totals.items()}


@torch.no_grad()
def splice(
    sae: SAE, reading: Reading, *, blocks: int | None = None, tell: Callable[[int], None] | None = None
) -> dict[str, Any]:
    """Replace what a layer gives by its reconstruction, by zeros and by its mean, and compare what the model then does.

    Where the model predicts the next token, per predicted token: `loss`, the cross-entropy in nats; `kl`,
    KL(clean ‖ replaced); and the loss recovered, (L_ablated − L_spliced) / (L_ablated − L_clean), with both ablations:
    as the ratio of means over all tokens, and as the mean of the ratios of sequences, which is another number and
    weighs short sequences like long ones. Where it embeds: `cosine` between the mean of the last layer over the places
    of a sequence or item, clean and replaced. Where it classifies: `agreement` of the first class, and `kl`.

    Samples are replaced alone (`samples`), and together with all places that are none, such as attention sinks and
    special tokens (`everywhere`): an autoencoder never saw these in training, and they can weigh more than all others.

    Args:
        sae: trained on what the layer gives.
        reading: of that layer alone; for a transcoder, of the layer that it reads and the one that it predicts.
        blocks: how many of the feed's blocks; None: all.
        tell: is told how many samples were replaced, since it was last.

    Returns:
        `kind` (`next_token`, `embedding` or `classes`); `n`, of what is averaged over, which is `unit`; `replaced`,
        how many samples were; `clean`; and for `samples` and `everywhere` the measures of `spliced`, `zero` and
        `mean`, and where there is a loss `loss_recovered`, as `ratio_of_means` and `mean_of_ratios`, without the
        sequences that lose nothing by the ablation, whose number is `left_out`. `everywhere` is None where all places
        are samples. NaN stands where the ablation changes nothing.

    Raises:
        SparsightError: the autoencoder does not fit the layers, there is nothing to replace, or the model gives no
            tensor.
    """
    check(sae, reading)
    training = sae.training
    sae.eval()
    try:
        return _spliced(sae, reading, len(reading.feed) if blocks is None else min(blocks, len(reading.feed)), tell)
    finally:
        sae.train(training)


def _spliced(sae: SAE, reading: Reading, n: int, tell: Callable[[int], None] | None) -> dict[str, Any]:
    replaced, mean = _mean(reading, n)
    changes: dict[str, Change] = {
        "spliced": lambda rows: sae.reconstruct(rows.to(sae.b_dec)).to(rows),
        "zero": torch.zeros_like,
        "mean": lambda rows: mean.to(rows).expand(len(rows), -1),
    }
    outcome = outcome_of(reading, reading.host.run(reading.feed.block(0)))
    places = {"samples": False, "everywhere": True}
    if reading.feed.kind != "text" and not reading.sites[reading.at[-1]].skipped:
        del places["everywhere"]
    clean, found = Sums(), {place: {name: Sums() for name in changes} for place in places}
    for number in range(n):
        block = reading.feed.block(number)
        reference = outcome(block, reading.host.run(block), None)
        clean.add(reference)
        for place, special in places.items():
            for name, change in changes.items():
                with editing(reading.host.module, _edits(reading, block, change, special, name)):
                    found[place][name].add(outcome(block, reading.host.run(block), reference))
        if tell is not None:
            tell(int(reading.counts(reading.at[-1])[number]))
    return {
        "kind": outcome.kind,
        "unit": outcome.unit,
        "n": int(clean.weight),
        "replaced": replaced,
        "clean": clean.means(),
        **{place: _record(clean, found[place]) if place in found else None for place in ("samples", "everywhere")},
    }


def _record(clean: Sums, sums: dict[str, Sums]) -> dict[str, Any]:
    found: dict[str, Any] = {name: each.means() for name, each in sums.items()}
    if clean.per_sequence:
        found["loss_recovered"] = {name: recovered(clean, sums["spliced"], sums[name]) for name in FLOORS}
    return found


def check(sae: SAE, reading: Reading) -> None:
    """Raise where an autoencoder was not trained on these layers."""
    expected = 1 if sae.schema.n_targets is None else 2
    if len(reading.at) != expected or sae.schema.sites is not None:
        raise SparsightError(
            "splicing needs the layer that the autoencoder was trained on, or of a transcoder the one that it reads "
            f"and the one that it predicts, and not {', '.join(reading.at)}"
        )
    widths = [reading.sites[name].width for name in reading.at]
    if widths != [sae.n_inputs, sae.sizes.n_targets][:expected]:
        raise SparsightError(
            f"the layer {' and '.join(reading.at)} gives rows of {' and '.join(map(str, widths))}, and the autoencoder "
            f"takes {sae.n_inputs}: choose the layer that it was trained on"
        )


def _mean(reading: Reading, n: int) -> tuple[int, Tensor]:
    """How many samples of some blocks are replaced, and their mean, [D]."""
    layer, total, count = reading.at[-1], torch.zeros((), dtype=torch.float64), 0
    for number in range(n):
        rows = reading.rows(number)[layer].double()
        total, count = total + rows.sum(0), count + len(rows)
    if not count:
        raise SparsightError("these blocks hold no sample: take more of them")
    return count, (total / count).float()


def _edits(reading: Reading, block: Block, change: Change, special: bool, name: str) -> dict[str, Change]:
    """What is done at each layer while the model runs."""
    read, replaced = reading.at[0], reading.at[-1]
    if read == replaced or name != "spliced":
        return {replaced: lambda given: reading.edited(replaced, given, block, change, special)}
    kept: dict[str, Tensor] = {}

    def look(given: Tensor) -> Tensor:
        def keep(rows: Tensor) -> Tensor:
            kept["rows"] = rows
            return rows

        return reading.edited(read, given, block, keep, special)

    return {
        read: look,
        replaced: lambda given: reading.edited(replaced, given, block, lambda _: change(kept["rows"]), special),
    }


def recovered(clean: Sums, spliced: Sums, ablated: Sums) -> dict[str, float]:
    """(L_ablated − L_spliced) / (L_ablated − L_clean), both ways of averaging."""
    low, now, high = (sums.means()["loss"] for sums in (clean, spliced, ablated))
    rows = [torch.cat(sums.per_sequence) for sums in (clean, spliced, ablated)]
    some = rows[0][:, 1] > 0
    first, second, third = (row[some, 0] / row[some, 1] for row in rows)
    loses = third > first
    ratios = (third - second)[loses] / (third - first)[loses]
    return {
        "ratio_of_means": (high - now) / (high - low) if high != low else math.nan,
        "mean_of_ratios": float(ratios.mean()),
        "left_out": int((~loses).sum()),
    }
