"""What features do in the model, from a run's folder alone."""

import json
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from behind import CONTEXT, PER_BLOCK, behind, learned
from torch import nn

from sparsight.effects import FILE, keep, measure_effects, origin_of, raised_in
from sparsight.errors import SparsightError
from sparsight.feeds.texts import Texts
from sparsight.job import data_of
from sparsight.models.harvest import harvest
from sparsight.models.host import open_host
from sparsight.models.raised import Raised
from sparsight.models.reading import Reading
from sparsight.models.splice import splice
from sparsight.models.unembedding import unembedded
from sparsight.run import Run, finite
from sparsight.sources.activations import Activations
from sparsight.sources.arrays import Arrays

LAYER = "model.layers.1"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, a corpus, its activations and a run on them."""
    folder = tmp_path_factory.mktemp("effects")
    behind(folder)
    return folder


@pytest.fixture
def run(place: Path) -> Run:
    return Run.open(place / "llama")


def test_it_is_the_splice_of_what_the_run_held_out(run: Run, place: Path) -> None:
    record, _ = measure_effects(run)
    held = data_of(run)[1].groups()
    assert held is not None
    items = held.unique().tolist()
    assert 0 < len(items) < len(tiny.TEXTS * 4) and record["measured_on"] == f"{len(items)} held-out documents"
    host = open_host(str(place / "llama-model"))
    feed = Texts(path=str(place / "corpus.txt"), host=host, context=CONTEXT, per_block=PER_BLOCK).only(items)
    alone = splice(run.sae(), Reading(host, feed, [LAYER]))
    assert {key: record[key] for key in alone} == alone
    assert record["at"] == [LAYER] and record["notes"] == []


def test_the_source_that_computes_gives_the_same_as_shards(run: Run, place: Path, tmp_path: Path) -> None:
    feed = {"name": "texts", "path": str(place / "corpus.txt"), "context": CONTEXT, "per_block": PER_BLOCK}
    source = {"name": "activations", "model": str(place / "llama-model"), "at": LAYER, "feed": feed}
    other = learned(source, tmp_path / "run")
    first, second = measure_effects(run)[0], measure_effects(other)[0]
    for key in ("model", "at", "measured_on", "n", "replaced", "clean", "blocks"):
        assert first[key] == second[key], key
    assert second["samples"]["zero"] == first["samples"]["zero"]


def test_a_bound_on_tokens_takes_whole_blocks(run: Run) -> None:
    record, _ = measure_effects(run, tokens=1)
    assert record["blocks"] == 1 < record["of_blocks"]
    assert 1 <= record["replaced"] <= 32


def test_it_is_kept_with_the_tokens_that_features_raise(run: Run, place: Path) -> None:
    record, raised = measure_effects(run, tokens=40, beside=5)
    keep(run, record, raised)
    assert run.effects() == json.loads(json.dumps(finite(record)))
    found, host = raised_in(run), open_host(str(place / "llama-model"))
    assert found is not None and record["beside"] == 5
    tokens, values = unembedded(run.sae(), host, 5)
    words = Texts(documents=tiny.TEXTS, host=host).vocabulary()
    for feature in (0, 23):
        one = found.of(feature)
        both = [*one["raised"], *reversed(one["lowered"])]
        assert [text for text, _ in both] == [words[n] for n in tokens[feature].tolist()]
        np.testing.assert_allclose([value for _, value in both], values[feature].numpy(), rtol=1e-3)
        assert one["raised"][0][1] > 0 > one["lowered"][0][1]
    assert len(found.texts) <= len(words)


def test_what_was_measured_of_other_weights_is_not_known(run: Run) -> None:
    record, raised = measure_effects(run, tokens=1)
    keep(run, {**record, "weights": "others"}, raised)
    assert run.effects() is None and raised_in(run) is None


def test_a_damaged_file_is_one_sentence(run: Run) -> None:
    keep(run, *measure_effects(run, tokens=1))
    run.put(FILE, b"nonsense")
    with pytest.raises(SparsightError, match="missing or damaged"):
        raised_in(run)


def test_a_token_without_a_text_is_shown_by_its_number() -> None:
    made = Raised.of_tokens(np.array([[7, 2]]), np.array([[1.0, -1.0]]), ["a", "b", "c"])
    assert made.of(0) == {"raised": [("[7]", 1.0)], "lowered": [("c", -1.0)]}


def test_other_texts_are_measured_whole_and_that_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("light and water\n\nthe day was good")
    record, _ = measure_effects(run, text=str(tmp_path / "other.txt"))
    assert record["measured_on"] == "all documents"
    assert record["notes"] == ["the documents are not those that the run was trained on: all of them are measured"]


def test_the_same_texts_elsewhere_are_the_same(run: Run, place: Path, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_bytes((place / "corpus.txt").read_bytes())
    assert measure_effects(run, text=str(tmp_path / "corpus.txt"))[0] == measure_effects(run)[0]


def test_texts_that_changed_unasked_are_refused(place: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_bytes((place / "corpus.txt").read_bytes())
    host = open_host(str(place / "llama-model"))
    feed = Texts(path=str(corpus), host=host, context=CONTEXT, per_block=PER_BLOCK)
    harvest(Reading(host, feed, [LAYER, "model.layers.0"]), tmp_path / "shards", dtype="float32")
    made = learned({"name": "shards", "path": str(tmp_path / "shards" / LAYER)}, tmp_path / "run")
    assert measure_effects(made, tokens=1)[0]["at"] == [LAYER]
    corpus.write_text("light and water\n\nthe day was good")
    with pytest.raises(SparsightError, match=r"the documents have changed since 'llama-model' read them.*--text"):
        measure_effects(made)
    corpus.unlink()
    with pytest.raises(SparsightError, match="there is no text"):
        measure_effects(made)


def test_a_model_that_is_gone_or_another_one_is_said(run: Run, place: Path, tmp_path: Path) -> None:
    with pytest.raises(SparsightError, match="there is no model"):
        measure_effects(run, model=str(tmp_path / "nothing"))
    other = tiny.llama(tmp_path / "llama-model")
    torch.manual_seed(1)
    module = open_host(str(other)).module
    nn.init.normal_(module.get_submodule("lm_head").weight)
    module.save_pretrained(other)
    assert measure_effects(run, model=str(other))[0]["notes"] == [
        "the model is not the one that the run was trained on"
    ]


def test_another_layer_is_said_and_one_out_of_the_stream_raises_nothing(run: Run) -> None:
    record, raised = measure_effects(run, at=["model.layers.1.mlp"], tokens=1)
    assert raised is None and record["beside"] is None
    assert "trained on model.layers.1" in record["notes"][0] and "no" in record["notes"][1]
    with pytest.raises(SparsightError, match=r"no layer 'model.layer.1'"):
        measure_effects(run, at=["model.layer.1"])


def test_pictures_are_measured_by_class(tmp_path: Path) -> None:
    rows = torch.rand(40, 64, generator=torch.Generator().manual_seed(1)).numpy()
    feed = {"name": "items", "source": Arrays(data=rows, shape=[8, 8]), "per_block": 8}
    source = Activations(model=tiny.Net(), at="second", feed=feed)
    made = learned(None, tmp_path / "run", source)
    record, raised = measure_effects(made, source=source)
    assert record["kind"] == "classes" and raised is None and record["everywhere"] is None
    assert record["measured_on"] == f"{record['n']} held-out pictures"
    assert 0 <= record["samples"]["zero"]["agreement"] <= record["samples"]["spliced"]["agreement"] <= 1


def test_data_without_a_model_are_one_sentence(tmp_path: Path) -> None:
    made = learned(None, tmp_path / "run", Arrays(data=torch.randn(64, 8).numpy()))
    with pytest.raises(SparsightError, match="the data of 'run' have no model behind them"):
        origin_of(made)
