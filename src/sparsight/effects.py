"""What the features of a run do in the model whose activations it was trained on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsight.core import SAE, Source
from sparsight.errors import SparsightError
from sparsight.feeds import Feed
from sparsight.job import data_of
from sparsight.models.host import Host, open_host
from sparsight.models.origin import Origin, origin
from sparsight.models.raised import Raised
from sparsight.models.reading import Reading
from sparsight.models.splice import splice
from sparsight.models.unembedding import in_stream, unembedded
from sparsight.run import Run
from sparsight.sources.activations import Activations
from sparsight.spec import build, describe

TOKENS = 20_000
"""Samples that are replaced, at most, where nothing is said: a model runs seven times on each."""
BESIDE = 10
"""Tokens that are kept of those that a feature raises, and of those that it lowers."""
FILE = "effects.safetensors"
PARTS = {"text": "documents", "pictures": "pictures", "items": "items"}


def origin_of(run: Run, source: Source | None = None) -> Origin:
    """Where the samples of a run come from.

    Args:
        run: whose.
        source: its data, where they were given in memory.

    Raises:
        SparsightError: from no model that is known.
    """
    spec = run.recipe["source"] if source is None else describe(source) if hasattr(source, "_spec") else None
    found = origin(spec)
    if found is None:
        raise SparsightError(
            f"the data of {run.path.name!r} have no model behind them: only what `sparsight harvest` stored, or the "
            "source activations gives, can be put back into one"
        )
    return found


def measure_effects(
    run: Run,
    *,
    source: Source | None = None,
    model: str | None = None,
    at: Sequence[str] = (),
    text: str | None = None,
    tokens: int = TOKENS,
    beside: int = BESIDE,
    device: str = "cpu",
    tell: Callable[[int], None] | None = None,
) -> tuple[dict[str, Any], Raised | None]:
    """Put a run's reconstructions back into its model, and find out what the model then does.

    Measured on the documents, pictures or items that the run held out.

    Args:
        run: it has ended.
        source: its data, where they were given in memory.
        model: another place of its model, or another model.
        at: other layers.
        text: another place of its texts, or other texts, which are measured whole.
        tokens: samples that are replaced, at most, to the end of a block.
        beside: tokens to each side that are kept of what a feature raises and lowers.
        device: where the model runs.
        tell: is told how many samples were replaced, since it was last.

    Returns:
        What `splice` gives, with `model`, `at`, `measured_on`, how many `items` and `blocks` that is, `notes`, and the
        digest of the run's `weights`; and for the residual stream of models that predict the next token, what every
        feature raises and lowers.

    Raises:
        SparsightError: the data have no model behind them, model or texts are missing or not what they were, or the
            layers do not fit.
    """
    summary = run.summary
    if summary is None:
        raise SparsightError(f"the run {run.path.name!r} has not ended: `sparsight train --resume {run.path}` goes on")
    sae, known = run.sae().to(device), origin_of(run, source)
    if text is not None and known.feed.get("name") != "texts":
        raise SparsightError("--text is for models that read texts, and this run comes from other samples")
    fed = _fed(run, source, known, model, text, device)
    notes = fed.notes
    if at and tuple(at) != known.at:
        notes.append(f"at {' and '.join(at)}, and the run was trained on {' and '.join(known.at)}")
    reading = Reading(fed.host, fed.feed, tuple(at) or known.at, **known.more)
    enough = np.searchsorted(reading.counts(reading.at[-1]).cumsum(), tokens) + 1
    blocks = min(int(enough), len(fed.feed))
    found = splice(sae, reading, blocks=blocks, tell=tell)
    raised = _raised(sae, reading, beside, notes)
    return {
        "model": fed.host.name,
        "at": reading.at,
        "measured_on": fed.measured_on,
        "blocks": blocks,
        "of_blocks": len(fed.feed),
        **found,
        "beside": None if raised is None else raised.tokens.shape[1] // 2,
        "notes": notes,
        "weights": summary["weights"],
    }, raised


@dataclass(frozen=True)
class Fed:
    """What goes into the model, and what is to be said of it."""

    host: Host
    feed: Feed
    measured_on: str
    notes: list[str]


def _fed(run: Run, source: Source | None, known: Origin, model: str | None, text: str | None, device: str) -> Fed:
    """The model and the part of its texts, pictures or items that the run held out."""
    spec = {**known.feed, **({} if text is None else {"path": text, "documents": None})}
    if known.stored:
        training, held = data_of(run, source)
        host = open_host(known.model if model is None else model).to(device)
        feed: Feed = build("feed", spec, host=host)
        other_model, other_feed = _others(host, feed, known, model, text)
    else:
        given = run.recipe["source"] if source is None else describe(source)
        given = {**given, "feed": spec, "device": device, **({} if model is None else {"model": model})}
        again = build("source", given)
        assert isinstance(again, Activations)
        host, feed, other_model, other_feed = again.reading.host, again.reading.feed, False, False
        try:
            training, held = data_of(run, again)
        except SparsightError:
            if model is None and text is None:
                raise
            training = held = again
            other_model, other_feed = model is not None, text is not None
    notes = ["the model is not the one that the run was trained on"] if other_model else []
    kind = PARTS[feed.kind]
    groups = held.groups()
    if other_feed or groups is None:
        why = "are not those that the run was trained on" if other_feed else "are not known by sample"
        return Fed(host, feed, f"all {kind}", [*notes, f"the {kind} {why}: all of them are measured"])
    items = [item for item in groups.unique().tolist() if item >= 0]
    what = "training" if held is training else "held-out"
    return Fed(host, feed.only(items), f"{len(items):,} {what} {kind}", notes)


def _others(host: Host, feed: Feed, known: Origin, model: str | None, text: str | None) -> tuple[bool, bool]:
    """Whether model and feed are others than those that were harvested, where somebody asked for others.

    Raises:
        SparsightError: they are, and nobody asked.
    """
    other_model = "model" in known.sha256 and host.fingerprint() != known.sha256["model"]
    other_feed = "feed" in known.sha256 and feed.fingerprint() != known.sha256["feed"]
    if other_model and model is None:
        raise SparsightError(
            f"the model {host.name!r} has changed since it was harvested: give the same, or another by --model"
        )
    # another model may have another tokenizer, and then other tokens for the same texts
    if other_feed and text is None and not other_model:
        raise SparsightError(
            f"the {PARTS[feed.kind]} have changed since {host.name!r} read them: give the same, or others by --text"
        )
    return other_model, other_feed


def _raised(sae: SAE, reading: Reading, n: int, notes: list[str]) -> Raised | None:
    """What every feature raises and lowers; None, with a note where one may ask why."""
    host, layer = reading.host, reading.at[-1]
    if not host.causal or reading.feed.kind != "text":
        return None
    if not in_stream(host, layer, reading.feed.block(0)):
        notes.append(f"{layer} is not the residual stream: which tokens a feature raises is not known there")
        return None
    try:
        tokens, values = unembedded(sae, host, n)
    except SparsightError as error:
        notes.append(str(error))
        return None
    return Raised.of_tokens(tokens.numpy(), values.numpy(), reading.feed.vocabulary() or [])


def keep(run: Run, record: Mapping[str, Any], raised: Raised | None) -> None:
    """Keep what was measured in the run's folder, in place of what was known before."""
    if raised is not None:
        run.put(FILE, raised.packed())
    run.put_effects(record)


def raised_in(run: Run) -> Raised | None:
    """Which tokens the features of a run raise; None: nobody has measured it, or it cannot be known."""
    record = run.effects()
    return None if record is None or not record.get("beside") else Raised.open(run.path / FILE)
