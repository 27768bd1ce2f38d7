"""Activations that are computed when they are asked for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import TEXTS

from sparsight.core import Source
from sparsight.errors import SparsightError
from sparsight.job import Recipe, digest, prepare, resume, train
from sparsight.models.harvest import harvest
from sparsight.models.host import Host
from sparsight.sources.activations import Activations
from sparsight.spec import build

LAYER = "encoder.layer.1"
DOCUMENTS = [f"{TEXTS[n % 6]} {TEXTS[(n * 7) % 6]}" for n in range(40)]


def source(host: Host, at: Any = LAYER, documents: Any = DOCUMENTS, pool: int = 100, **knobs: Any) -> Activations:
    feed = {"name": "texts", "documents": documents, "context": 12, "per_block": 24}
    return build("source", {"name": "activations", "at": at, "pool": pool, **knobs}, model=host, feed=feed)


def test_samples_are_those_of_a_harvest(tmp_path: Path, bert: Host) -> None:
    live = source(bert)
    (folder,) = harvest(live.reading, tmp_path / "shards", dtype="float32")
    stored: Source = build("source", {"name": "shards", "path": str(folder)})
    ids = torch.arange(len(live))
    assert torch.equal(stored.gather(ids), live.gather(ids))
    documents, same = stored.groups(), live.groups()
    assert documents is not None and same is not None and torch.equal(documents, same)
    for one, other in zip(
        (live.context(n) for n in (0, 50, 99)), (stored.context(n) for n in (0, 50, 99)), strict=True
    ):
        assert one == other


def test_the_model_runs_once_over_everything_in_each_epoch(bert: Host) -> None:
    live = source(bert)
    computed: list[int] = []
    rows = live.reading.rows
    live.reading.rows = lambda number, dtype=torch.float32: computed.append(number) or rows(number, dtype)
    batches = live.batches(16, 0)
    for _ in range(len(live) // 16):
        next(batches).inputs  # noqa: B018
    assert len(computed) <= len(live.reading.feed) + 1
    assert sum(len(next(iter(block.values()))) for block in live._held.values()) <= 2 * live.pool + 24


def test_samples_are_mixed_with_those_of_other_blocks(bert: Host) -> None:
    live = source(bert)
    first = next(live.batches(32, 0)).ids.numpy()
    blocks = np.searchsorted(live.starts, first, "right") - 1
    assert len(set(blocks.tolist())) >= 4
    assert sorted(first.tolist()) != list(range(first.min(), first.min() + 32))


def test_training_on_the_fly_resumes_with_the_same_bits(tmp_path: Path, bert: Host) -> None:
    recipe = Recipe.parse(
        {
            "n_latents": 32,
            "architecture": {"name": "topk", "k": 4},
            "train": {"epochs": 3.0, "batch_size": 32, "hold_out": 0.2, "checkpoint_every": 7, "lr": 1e-3},
        }
    )
    whole = train(recipe, tmp_path / "whole", source(bert))

    class Stop:
        def on_log(self, line: Any) -> None: ...

        def on_checkpoint(self, step: int) -> None:
            if step == 14:
                raise KeyboardInterrupt

        def on_end(self, reason: str) -> None: ...

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "stopped", source(bert), observers=[Stop()])
    stopped = resume(tmp_path / "stopped", source(bert))
    assert digest(stopped.sae()) == digest(whole.sae())


def test_documents_are_held_out_whole(bert: Host) -> None:
    kept, held = source(bert).split(0.2, 0)
    assert held is not None
    of_kept, of_held = kept.groups(), held.groups()
    assert of_kept is not None and of_held is not None
    assert len(of_held.unique()) == 8
    assert not set(of_kept.tolist()) & set(of_held.tolist())


def test_several_layers_are_sites_and_a_target_is_what_a_transcoder_predicts(bert: Host) -> None:
    both = source(bert, [LAYER, "encoder.layer.0.intermediate"])
    assert both.schema.sites == {LAYER: 16, "encoder.layer.0.intermediate": 32}
    pair = source(bert, "encoder.layer.1.intermediate:input", target="encoder.layer.1.output.dense")
    ids = torch.tensor([3, 77])
    targets = pair.targets(ids)
    assert targets is not None and targets.shape == (2, 16)
    module: Any = bert.module
    layer = module.encoder.layer[1]
    with torch.no_grad():
        expected = layer.output.dense(layer.intermediate(pair.gather(ids)))
    assert torch.allclose(targets, expected, atol=1e-5)
    job = prepare(Recipe.parse({"n_latents": 8, "architecture": "transcoder"}), pair)
    assert job.sae.W_dec.shape == (8, 16)


def test_layers_with_other_numbers_of_places_are_not_put_together(net: Host) -> None:
    feed = {"name": "items", "source": build("source", "digits").take(torch.arange(6))}
    with pytest.raises(SparsightError, match="first, second have different numbers of places"):
        build("source", {"name": "activations", "at": ["first", "second"]}, model=net, feed=feed)


def test_a_corpus_of_one_document_cannot_be_divided(bert: Host) -> None:
    with pytest.raises(SparsightError, match="holding 10% of 1 groups of samples out leaves none to train on"):
        source(bert, documents=[" ".join(TEXTS)]).split(0.1, 0)


def test_a_model_that_gives_nan_is_one_sentence() -> None:
    class Broken(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x.flatten(1).masked_fill(x.flatten(1) == 5, torch.nan))

    rows = torch.arange(40.0).view(10, 4)
    feed = {"name": "items", "source": build("source", "arrays", data=rows), "per_block": 4}
    live = build("source", {"name": "activations", "at": "inner"}, model=Broken(), feed=feed)
    with pytest.raises(
        SparsightError, match=r"NaN or infinity for 1 of the 4 samples of block 0 .the first is sample 1"
    ):
        live.gather(torch.arange(10))
