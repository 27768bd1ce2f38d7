"""What a model does with a text while features are steered."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sparsight.core import SAE
from sparsight.core.taps import editing
from sparsight.errors import SparsightError
from sparsight.models.host import Host
from sparsight.models.outcomes import first_tensor, logits_of

READ = 128
"""Tokens of a text that are read, at most."""
CACHES = ("cache", "past_key_values")
"""What transformers calls what a model keeps of what it read, in newer versions and in older ones."""
LISTED = 10
"""Next tokens that are listed."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """What is done to a feature: `by` is added, or its code is clamped `to`."""

    feature: int
    by: float | None = None
    to: float | None = None


@dataclass(frozen=True)
class Ready:
    """A model that can be steered.

    Attributes:
        host: the model; it reads texts.
        at: the layer that the features are of.
        vocabulary: the text of each token.
        skip: places at the start that are left alone: the autoencoder never saw them.
    """

    host: Host
    at: str
    vocabulary: Sequence[str]
    skip: int

    def text(self, token: int) -> str:
        """Of a token."""
        return self.vocabulary[token] if token < len(self.vocabulary) else f"[{token}]"


@dataclass(frozen=True)
class Pass:
    """One time that a model reads a text: what it gives, and what its layer gave, [n, D]."""

    given: Any
    rows: Tensor


@torch.no_grad()
def steered(
    sae: SAE,
    ready: Ready,
    text: str,
    edits: Sequence[Edit],
    *,
    more: int = 24,
    seed: int | None = None,
    seconds: float = 20.0,
) -> dict[str, Any]:
    """What a model does with a text, and what it does with features steered.

    - `tokens`: the text of each token that is read, and the `codes` of the steered features at it, `before` and
      `after`, measured at the layer; None at places that are left alone. `cut`: whether the text goes on.
    - Models that predict the next token: `next`, the tokens with the largest probabilities before or after, each as
      [text, before, after]; `kl`, KL(before ‖ after) in nats; `continued`, how it goes on `before` and `after`; and
      `stopped`, whether it was cut short because the time was over.
    - Others: `cosine` of the text's embedding, the mean of what the model gives over the tokens, before and after; and
      in `tokens` the `cosine` of each token's own.

    Args:
        sae: trained on the layer.
        ready: the model.
        text: some.
        edits: what is done to features, one after the other.
        more: tokens that are written.
        seed: of what is drawn; None: always the likeliest token.
        seconds: for which it writes, before and after together.

    Raises:
        SparsightError: the text is empty, a feature does not exist, or the model gives no numbers any more.
    """
    given = ready.host.tokenizer(text)["input_ids"]
    if not text.strip() or not given:
        raise SparsightError("write some text first")
    ids = torch.tensor([given[:READ]], device=ready.host.device)
    until = time.monotonic() + seconds
    plain = _passed(ready, ids)
    written = _continued(ready, plain.given, ids, more, seed, until - seconds / 2)
    with ExitStack() as hooks:
        for edit in edits:
            steer = sae.steer(
                ready.host.module, at=ready.at, feature=edit.feature, by=edit.by, to=edit.to, skip=ready.skip
            )
            hooks.enter_context(steer)
        changed = _passed(ready, ids)
        rewritten = _continued(ready, changed.given, ids, more, seed, until)
    features = list(dict.fromkeys(edit.feature for edit in edits))
    before, after = (_codes(sae, one, features, ready.skip) for one in (plain, changed))
    tokens: list[dict[str, Any]] = [
        {"text": ready.text(token), "before": b, "after": a}
        for token, b, a in zip(ids[0].tolist(), before, after, strict=True)
    ]
    found: dict[str, Any] = {"features": features, "tokens": tokens, "cut": len(given) > READ}
    if not ready.host.causal:
        return {**found, **_embedded(plain, changed, tokens)}
    return {
        **found,
        **_next(ready, plain, changed),
        "continued": {
            name: _text(ready, given[:READ], one) for name, (one, _) in (("before", written), ("after", rewritten))
        },
        "stopped": not (written[1] and rewritten[1]),
    }


def _passed(ready: Ready, ids: Tensor) -> Pass:
    """The model reads; an edit that was hooked in before is seen by the look at its layer."""
    seen: list[Tensor] = []

    def look(given: Tensor) -> Tensor:
        seen.append(given)
        return given

    with editing(ready.host.module, {ready.at: look}):
        given = _run(ready, ids, ids.shape[1], None)
    rows = seen[0].reshape(-1, seen[0].shape[-1])
    if not torch.isfinite(first_tensor(given)).all():
        raise SparsightError("the model gives no numbers any more: steer less")
    return Pass(given, rows)


def _run(ready: Ready, ids: Tensor, length: int, before: Any) -> Any:
    """The model reads on; `before`: what it gave for all that comes before these tokens, with its cache."""
    mask = torch.ones(1, length, dtype=torch.long, device=ids.device)
    cache: dict[str, Any] = {"use_cache": True} if _caches(ready) else {}
    if before is not None:
        name = next(name for name in CACHES if name in before)
        cache[name] = before[name]
    return ready.host.module(input_ids=ids, attention_mask=mask, **cache)


def _caches(ready: Ready) -> bool:
    return ready.host.causal and hasattr(ready.host.module, "generate")


def _continued(
    ready: Ready, given: Any, ids: Tensor, more: int, seed: int | None, until: float
) -> tuple[list[int], bool]:
    """Tokens that follow, and whether there was the time for all of them."""
    if not ready.host.causal:
        return [], True
    choose, end = _chooser(seed), getattr(ready.host.tokenizer, "eos_token_id", None)
    room = more if ready.host.n_context is None else min(more, ready.host.n_context - ids.shape[1])
    written: list[int] = []
    while len(written) < room:
        token = choose(logits_of(given)[0, -1].float())
        if token == end:
            break
        written.append(token)
        if time.monotonic() > until:
            return written, len(written) == room
        if len(written) < room:
            last = torch.tensor([[token]], device=ids.device)
            ids = torch.cat([ids, last], dim=1)
            caches = _caches(ready)
            given = _run(ready, last if caches else ids, ids.shape[1], given if caches else None)
    return written, True


def _text(ready: Ready, ids: list[int], written: list[int]) -> str:
    """What was written; letters of several tokens, and spaces before the first, are only known beside the text."""
    begun, whole = (
        ready.host.tokenizer.decode(all_of, clean_up_tokenization_spaces=False) for all_of in (ids, [*ids, *written])
    )
    return whole[len(begun) :] if whole.startswith(begun) else ready.host.tokenizer.decode(written)


def _chooser(seed: int | None) -> Callable[[Tensor], int]:
    """Which token is next: the likeliest, or one that is drawn."""
    if seed is None:
        return lambda logits: int(logits.argmax())
    dice = torch.Generator().manual_seed(seed)
    return lambda logits: int(torch.multinomial(logits.softmax(0).cpu(), 1, generator=dice))


def _codes(sae: SAE, one: Pass, features: Sequence[int], skip: int) -> list[list[float] | None]:
    """Codes at each place of the text, of the features alone."""
    codes = sae.transform(one.rows.to(sae.b_dec)).dense()[:, list(features)]
    alone = skip if len(codes) > 1 else 0
    return [
        None if place < alone else [float(f"{code:.4g}") for code in row] for place, row in enumerate(codes.tolist())
    ]


def _next(ready: Ready, plain: Pass, changed: Pass) -> dict[str, Any]:
    """The distributions of the next token beside each other."""
    before, after = (logits_of(one.given)[0, -1].double().log_softmax(0) for one in (plain, changed))
    listed = torch.cat([before.topk(LISTED).indices, after.topk(LISTED).indices]).unique()
    listed = listed[torch.maximum(before, after)[listed].argsort(descending=True)].tolist()
    kl = float(functional.kl_div(after, before, log_target=True, reduction="sum"))
    return {
        "next": [[ready.text(token), math.exp(before[token]), math.exp(after[token])] for token in listed],
        "kl": max(0.0, kl),
    }


def _embedded(plain: Pass, changed: Pass, tokens: list[dict[str, Any]]) -> dict[str, Any]:
    """How far the embedding turned, and that of each token, which is put into `tokens`."""
    before, after = (first_tensor(one.given)[0].double() for one in (plain, changed))
    if before.ndim == 1:
        return {"cosine": float(functional.cosine_similarity(before, after, dim=0))}
    for token, cosine in zip(tokens, functional.cosine_similarity(before, after, dim=1).tolist(), strict=True):
        token["cosine"] = cosine
    return {"cosine": float(functional.cosine_similarity(before.mean(0), after.mean(0), dim=0))}
