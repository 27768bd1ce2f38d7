"""Recipes for activations, on those of tiny models."""

from pathlib import Path

import pytest
import tiny
import torch

from sparsight import recipes, spec
from sparsight.job import Recipe, all_terms, data_of, train
from sparsight.meters.quality import measure_quality
from sparsight.models.harvest import harvest
from sparsight.models.host import open_host
from sparsight.models.reading import Reading
from sparsight.spec import build

ACTIVATIONS = ["embeddings", "llm", "llm-matryoshka"]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a layer of a tiny model gives for sixty documents."""
    place = tmp_path_factory.mktemp("shards")
    host = open_host(str(tiny.llama(place / "model")))
    words = torch.randint(len(tiny.WORDS), (60, 30), generator=torch.Generator().manual_seed(0))
    documents = [" ".join(tiny.WORDS[number] for number in row) for row in words.tolist()]
    feed = build("feed", "texts", host=host, documents=documents, context=16)
    harvest(Reading(host, feed, ["model.layers.1"]), place / "tokens")
    return place / "tokens"


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_recipe_for_activations_rebuilds_documents_that_were_held_out(
    name: str, shards: Path, tmp_path: Path
) -> None:
    k = "architecture.base.k" if name == "llm-matryoshka" else "architecture.k"
    changes = ["n_latents=64", f"{k}=4", "train.batch_size=64", "train.epochs=20.0"]
    recipe = {**recipes.read(name), "source": {"name": "shards", "path": str(shards)}}
    run = train(Recipe.parse(spec.override(recipe, changes)), tmp_path / "run")
    training, held_out = data_of(run)
    of_training, of_held_out = training.groups(), held_out.groups()
    assert of_training is not None and of_held_out is not None
    assert not set(of_training.tolist()) & set(of_held_out.tolist())
    assert len(held_out) / (len(training) + len(held_out)) == pytest.approx(0.1, abs=0.03)
    quality = measure_quality(run.sae(), held_out).result()
    x = training.gather(torch.arange(len(training)))
    values = torch.linalg.eigvalsh((x - x.mean(0)).T @ (x - x.mean(0)))
    assert quality["explained_variance"] > float(values[-4:].sum() / values.sum())  # four components
    assert quality["l0"] == pytest.approx(4, rel=0.15)
    assert run.summary is not None
    assert run.summary["dead"] == 0


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_recipe_for_activations_names_no_data_and_takes_any(name: str) -> None:
    recipe = Recipe.parse(recipes.read(name))
    assert recipe.source is None
    assert {"auxk", "nudge"} <= set(all_terms(spec.build("architecture", recipe.architecture), recipe))
    assert recipe.train.hold_out > 0
