"""What a model does with a block, as numbers that can be compared with what it does when it is changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sparsight.errors import SparsightError
from sparsight.feeds import Block
from sparsight.models.reading import Reading


@dataclass
class Measured:
    """What a model does with one block.

    Attributes:
        weight: of how many sequences, items or tokens the sums are.
        sums: by measure.
        seen: what later replacements are compared with.
        losses: of each sequence its summed loss and its tokens, [sequences, 2].
    """

    weight: float
    sums: dict[str, float]
    seen: Sequence[Tensor] | Tensor
    losses: Tensor | None = None


class Outcome:
    """A way to look at what a model gives.

    Attributes:
        kind: `next_token`, `embedding` or `classes`.
        unit: what is averaged over.
    """

    kind: str
    unit: str

    def __call__(self, block: Block, given: Any, clean: Measured | None) -> Measured:
        """What the model gave for a block; `clean`: what it gives unchanged, and beside which it is measured."""
        raise NotImplementedError


class NextToken(Outcome):
    """`loss`: −log p(token) in nats; `kl`: KL(clean ‖ replaced). A token is counted where it is predicted; padding
    never is."""

    kind, unit = "next_token", "predicted token"

    def __call__(self, block: Block, given: Any, clean: Measured | None) -> Measured:
        logits = logits_of(given)
        tokens, mask = (block.kwargs[name].to(logits.device) for name in ("input_ids", "attention_mask"))
        seen, losses, kl = [], [], 0.0
        # one sequence at a time: over a large vocabulary a block of logarithms takes gigabytes
        for number, (row, ids, real) in enumerate(zip(logits, tokens, mask, strict=True)):
            there = (real[1:] * real[:-1]).bool()
            logs = row[:-1][there].float().log_softmax(-1)
            losses.append([-float(logs.gather(1, ids[1:][there, None]).double().sum()), float(there.sum())])
            if clean is None:
                seen.append(logs)
            else:
                kl += float(
                    functional.kl_div(logs, clean.seen[number], log_target=True, reduction="none").double().sum()
                )
        per_sequence = torch.tensor(losses, dtype=torch.float64)
        sums = {"loss": float(per_sequence[:, 0].sum()), **({} if clean is None else {"kl": kl})}
        return Measured(float(per_sequence[:, 1].sum()), sums, seen, per_sequence)


class Embedding(Outcome):
    """`cosine` between the mean over the places of what the model gives, clean and replaced."""

    kind = "embedding"

    def __init__(self, text: bool, channels_first: bool = True) -> None:
        self.unit = "sequence" if text else "item"
        self.channels_first = channels_first

    def __call__(self, block: Block, given: Any, clean: Measured | None) -> Measured:
        pooled = self.pooled(first_tensor(given), block.kwargs.get("attention_mask"))
        sums = {}
        if clean is not None:
            assert isinstance(clean.seen, Tensor)
            sums["cosine"] = float(functional.cosine_similarity(pooled, clean.seen).sum())
        return Measured(len(pooled), sums, pooled)

    def pooled(self, given: Tensor, mask: Tensor | None) -> Tensor:
        """[n, D] in float64; of [n, places, D] the mean over places that are no padding."""
        rows = given.double()
        if rows.ndim == 4:
            rows = rows.movedim(1, -1).flatten(1, 2) if self.channels_first else rows.flatten(1, 2)
        if rows.ndim == 2:
            return rows
        if mask is None or mask.shape != rows.shape[:2]:
            return rows.flatten(1, -2).mean(1)
        weight = mask.to(rows)[:, :, None]
        return (rows * weight).sum(1) / weight.sum(1)


class Classes(Outcome):
    """`agreement`: whether the first class is the same; `kl`: KL(clean ‖ replaced) in nats."""

    kind, unit = "classes", "item"

    def __call__(self, block: Block, given: Any, clean: Measured | None) -> Measured:
        logs = logits_of(given).double().log_softmax(-1)
        sums = {}
        if clean is not None:
            assert isinstance(clean.seen, Tensor)
            sums["agreement"] = float((logs.argmax(1) == clean.seen.argmax(1)).sum())
            sums["kl"] = float(functional.kl_div(logs, clean.seen, log_target=True, reduction="sum"))
        return Measured(len(logs), sums, logs)


def outcome_of(reading: Reading, given: Any) -> Outcome:
    """How a model is looked at that gives this.

    Texts: by the next token, where the model predicts it, else as an embedding. Others: [n, classes], or a field
    `logits`, as classes, and what has places as an embedding.
    """
    if reading.feed.kind == "text":
        return NextToken() if reading.host.causal else Embedding(text=True)
    if hasattr(given, "logits") or first_tensor(given).ndim == 2:
        return Classes()
    return Embedding(text=False, channels_first=reading.channels == "first")


def logits_of(given: Any) -> Tensor:
    """The field `logits` of what a model gives, or else its first tensor."""
    found = getattr(given, "logits", None)
    return found if isinstance(found, Tensor) else first_tensor(given)


def first_tensor(given: Any) -> Tensor:
    """The first tensor of what a model gives.

    Raises:
        SparsightError: there is none.
    """
    values = list(given.values()) if isinstance(given, dict) else given if isinstance(given, tuple | list) else [given]
    found = next((value for value in values if isinstance(value, Tensor)), None)
    if found is None:
        raise SparsightError(f"the model gives {type(given).__name__} and no tensor: what it does cannot be compared")
    return found
