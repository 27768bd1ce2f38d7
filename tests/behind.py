"""Runs with a model behind their data: tiny models, a corpus, activations as shards, and what was learned of them."""

from pathlib import Path
from typing import Any

import tiny
import torch

from sparsight.atlas import survey
from sparsight.feeds.texts import Texts
from sparsight.job import Recipe, data_of, train
from sparsight.models.harvest import harvest
from sparsight.models.host import Host, open_host
from sparsight.models.reading import Reading
from sparsight.run import Run

LAYER = {"llama": "model.layers.1", "bert": "encoder.layer.1"}
CONTEXT, PER_BLOCK = 20, 32


def learned(source: Any, out: Path, data: Any = None) -> Run:
    """A small run that holds out a part."""
    spec = {
        "source": source,
        "n_latents": 24,
        "architecture": {"name": "topk", "k": 6},
        "preprocess": ["centre", "scale"],
        "train": {"epochs": 10.0, "batch_size": 32, "hold_out": 0.3},
    }
    return train(Recipe.parse(spec), out, data)


def behind(folder: Path, kind: str = "llama") -> Run:
    """The run `folder/kind`, of the corpus and the model beside it."""
    model, corpus, shards = folder / f"{kind}-model", folder / "corpus.txt", folder / f"{kind}-shards"
    {"llama": tiny.llama, "bert": tiny.bert}[kind](model)
    corpus.write_text("\n\n".join(tiny.TEXTS * 4))
    host = open_host(str(model))
    feed = Texts(path=str(corpus), host=host, context=CONTEXT, per_block=PER_BLOCK)
    harvest(Reading(host, feed, [LAYER[kind]]), shards, dtype="float32")
    run = learned({"name": "shards", "path": str(shards)}, folder / kind)
    run.put_atlas(survey(run.sae(), data_of(run)[1]))
    return run


def taught(folder: Path) -> Host:
    """A tiny model that predicts the next token and has learned its texts, so that it writes words."""
    host = open_host(str(tiny.llama(folder)))
    block = Texts(documents=tiny.TEXTS, host=host, context=CONTEXT, per_block=1000).block(0)
    optimiser = torch.optim.Adam(host.module.requires_grad_(True).parameters(), lr=0.01)
    for _ in range(40):
        optimiser.zero_grad()
        host.module(**block.kwargs, labels=block.kwargs["input_ids"]).loss.backward()
        optimiser.step()
    host.module.requires_grad_(False)
    return host
