"""What a model still does when what a layer gives is replaced by its reconstruction."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sparsight.core import SAE
from sparsight.core.taps import editing
from sparsight.errors import SparsightError
from sparsight.feeds import Block
from sparsight.models.reading import Reading

Change = Callable[[Tensor], Tensor]


@dataclass
class Sums:
    """Sums over what was measured of one replacement, and for each sequence the shares of loss recovered."""

    weight: float = 0.0
    totals: dict[str, float] = field(default_factory=dict)
    per_sequence: list[Tensor] = field(default_factory=list)

    def add(self, weight: float, **sums: float) -> None:
        self.weight += weight
        for name, value in sums.items():
            self.totals[name] = self.totals.get(name, 0.0) + value

    def means(self) -> dict[str, float]:
        return {name: total / self.weight for name, total in self.totals.items()}


@torch.no_grad()
def splice(sae: SAE, reading: Reading, *, blocks: int | None = None) -> dict[str, Any]:
    """Replace what a layer gives by its reconstruction, by zeros and by its mean, and compare what the model then does.

    Where the model predicts the next token, per predicted token: `loss`, the cross-entropy in nats; `kl`,
    KL(clean ‖ replaced); and the loss recovered, (L_ablated − L_spliced) / (L_ablated − L_clean), with both ablations:
    as the ratio of means over all tokens, and as the mean of the ratios of sequences, which is another number and
    weighs short sequences like long ones. Where it embeds: `cosine` between the mean of the last layer over the tokens
    of a sequence, clean and replaced. Where it classifies: `agreement` of the first class, and `kl`.

    Samples are replaced alone (`samples`), and together with all places that are none, such as attention sinks and
    special tokens (`everywhere`): an autoencoder never saw these in training, and they can weigh more than all others.

    Args:
        sae: trained on what the layer gives.
        reading: of that layer alone; for a transcoder, of the layer that it reads and the one that it predicts.
        blocks: how many of the feed's blocks; None: all.

    Returns:
        `n` (of what is averaged over), `unit`, `clean`, and for `samples` and `everywhere` the measures of `spliced`,
        `zero` and `mean`, and `loss_recovered` where there is a loss.

    Raises:
        SparsightError: the autoencoder does not fit the layers, or the model's output is of no known kind.
    """
    _check(sae, reading)
    n = len(reading.feed) if blocks is None else min(blocks, len(reading.feed))
    mean = _mean(reading, n)
    changes: dict[str, Change] = {
        "spliced": lambda rows: sae.reconstruct(rows.to(sae.b_dec)).to(rows),
        "zero": torch.zeros_like,
        "mean": lambda rows: mean.to(rows).expand(len(rows), -1),
    }
    outcome = _outcome(reading)
    places = {"samples": False, "everywhere": True}
    clean = Sums()
    found = {place: {name: Sums() for name in changes} for place in places}
    for number in range(n):
        block = reading.feed.block(number)
        reference = outcome(block, _run(reading, block), None)
        clean.add(reference.weight, **reference.sums)
        for place, special in places.items():
            for name, change in changes.items():
                with editing(reading.host.module, _edits(reading, block, change, special, name)):
                    given = _run(reading, block)
                measured = outcome(block, given, reference)
                found[place][name].add(measured.weight, **measured.sums)
                if measured.losses is not None:
                    found[place][name].per_sequence.append(measured.losses)
        if reference.losses is not None:
            clean.per_sequence.append(reference.losses)
    result: dict[str, Any] = {"n": clean.weight, "unit": outcome.unit, "clean": clean.means()}
    for place, sums in found.items():
        result[place] = {name: each.means() for name, each in sums.items()}
        if clean.per_sequence:
            result[place]["loss_recovered"] = {
                name: _recovered(clean, sums["spliced"], sums[name]) for name in ("zero", "mean")
            }
    return result


def _check(sae: SAE, reading: Reading) -> None:
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


def _mean(reading: Reading, n: int) -> Tensor:
    """The mean of what is replaced, [D], over the samples of some blocks."""
    replaced, total, count = reading.at[-1], torch.zeros(()), 0
    for number in range(n):
        rows = reading.rows(number)[replaced].double()
        total, count = total + rows.sum(0), count + len(rows)
    return (total / count).float()


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


def _run(reading: Reading, block: Block) -> Any:
    device = reading.host.device
    return reading.host.module(
        *(given.to(device) for given in block.args),
        **{name: given.to(device) for name, given in block.kwargs.items()},
    )


@dataclass
class Measured:
    """What a model does with one block: sums, the weight that they are divided by, and the loss of each sequence."""

    weight: float
    sums: dict[str, float]
    seen: Tensor
    """What later replacements are compared with."""
    losses: Tensor | None = None  # [sequences, 2]: summed loss, tokens


class _Outcome:
    unit: str

    def __call__(self, block: Block, given: Any, clean: Measured | None) -> Measured:
        raise NotImplementedError


class _NextToken(_Outcome):
    unit = "predicted token"

    def __call__(self, block: Block, given: Any, clean: Measured | None) -> Measured:
        logits = (given.logits if hasattr(given, "logits") else given)[:, :-1].float()
        tokens, mask = (block.kwargs[name][:, 1:].to(logits.device) for name in ("input_ids", "attention_mask"))
        logs = logits.log_softmax(-1)
        losses = -logs.gather(2, tokens[:, :, None])[:, :, 0] * mask
        sums = {"loss": float(losses.double().sum())}
        if clean is not None:
            kl = functional.kl_div(logs, clean.seen, log_target=True, reduction="none").sum(-1) * mask
            sums["kl"] = float(kl.double().sum())
        per_sequence = torch.stack([losses.double().sum(1), mask.double().sum(1)], dim=1).cpu()
        return Measured(float(mask.sum()), sums, logs, per_sequence)


class _Embedding(_Outcome):
    unit = "sequence"

    def __call__(self, block: Block, given: Any, clean: Measured | None) -> Measured:
        last = _first_tensor(given).float()
        mask = block.kwargs["attention_mask"].to(last)[:, :, None]
        pooled = (last * mask).sum(1) / mask.sum(1)
        sums = {}
        if clean is not None:
            sums["cosine"] = float(functional.cosine_similarity(pooled, clean.seen).double().sum())
        return Measured(len(pooled), sums, pooled)


class _Classes(_Outcome):
    unit = "item"

    def __call__(self, block: Block, given: Any, clean: Measured | None) -> Measured:
        logits = (given.logits if hasattr(given, "logits") else _first_tensor(given)).float().flatten(1)
        logs = logits.log_softmax(-1)
        sums = {}
        if clean is not None:
            sums["agreement"] = float((logs.argmax(1) == clean.seen.argmax(1)).double().sum())
            sums["kl"] = float(functional.kl_div(logs, clean.seen, log_target=True, reduction="sum"))
        return Measured(len(logits), sums, logs)


def _outcome(reading: Reading) -> _Outcome:
    if reading.feed.kind != "text":
        return _Classes()
    return _NextToken() if reading.host.causal else _Embedding()


def _first_tensor(given: Any) -> Tensor:
    values = list(given.values()) if isinstance(given, dict) else given if isinstance(given, tuple | list) else [given]
    if not values or not isinstance(values[0], Tensor):
        raise SparsightError(f"the model gives {type(given).__name__} and no tensor: what it does cannot be compared")
    return values[0]


def _recovered(clean: Sums, spliced: Sums, ablated: Sums) -> dict[str, float]:
    """(L_ablated − L_spliced) / (L_ablated − L_clean), both ways of averaging."""
    low, now, high = (sums.means()["loss"] for sums in (clean, spliced, ablated))
    rows = [torch.cat(sums.per_sequence) for sums in (clean, spliced, ablated)]
    some = rows[0][:, 1] > 0
    first, second, third = (row[some, 0] / row[some, 1] for row in rows)
    return {
        "ratio_of_means": (high - now) / (high - low),
        "mean_of_ratios": float(((third - second) / (third - first)).mean()),
    }
