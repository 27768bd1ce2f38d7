"""The codes of a run as samples."""

from pathlib import Path

import numpy as np
import pytest
import torch
from toys import D, F, samples

from sparsight import Recipe, Run, train
from sparsight.core import Source
from sparsight.errors import SparsightError
from sparsight.sources import codes as module
from sparsight.sources import open_source
from sparsight.spec import build


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("codes")
    np.save(folder / "rows.npy", samples().numpy())
    recipe = {
        "source": {"name": "arrays", "path": str(folder / "rows.npy")},
        "n_latents": F,
        "architecture": "topk",
        "preprocess": ["scale"],
        "train": {"epochs": 1.0, "hold_out": 0.25},
    }
    return train(Recipe.parse(recipe), folder / "run")


def codes_of(run: Run) -> Source:
    return build("source", {"name": "codes", "run": str(run.path)})


def test_they_are_what_the_model_makes_of_the_runs_own_data(run: Run) -> None:
    source = codes_of(run)
    ids = torch.tensor([5, 0, 400])
    assert source.schema.n_inputs == F and source.schema.shape is None
    torch.testing.assert_close(source.gather(ids), run.sae().transform(samples()[ids]).dense())
    assert (source.gather(ids) > 0).sum(1).max() <= F // 4, "those of evaluation: k of them"
    assert open_source(str(run.path)) == {"name": "codes", "run": str(run.path)}


def test_too_many_to_hold_are_made_when_they_are_asked_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    held = codes_of(run)
    monkeypatch.setattr(module, "HELD", 0)
    monkeypatch.setattr(module, "_CHUNK", 7)
    made = codes_of(run)
    asked: list[int] = []
    gather = made.source.gather  # type: ignore[attr-defined]
    monkeypatch.setattr(made.source, "gather", lambda ids: asked.append(len(ids)) or gather(ids))  # type: ignore[attr-defined]
    part = torch.arange(30).flip(0)
    torch.testing.assert_close(made.gather(part), held.gather(part))
    assert asked == [7, 7, 7, 7, 2]
    assert made.fingerprint() == held.fingerprint()


def test_labels_and_test_part_are_those_of_the_samples(tmp_path: Path) -> None:
    recipe = {"source": "digits", "n_latents": 9, "architecture": "topk", "train": {"epochs": 0.1}}
    source = codes_of(train(Recipe.parse(recipe), tmp_path / "run"))
    digits = build("source", "digits")
    assert torch.equal(source.labels(), digits.labels())  # type: ignore[arg-type]
    assert source.show(3).label == digits.show(3).label
    test, below = source.test_part(), digits.test_part()
    assert test is not None and below is not None and len(test) == len(below) == 2000
    ids = torch.tensor([1999, 3])
    torch.testing.assert_close(test.gather(ids), Run.open(tmp_path / "run").sae().transform(below.gather(ids)).dense())


def test_a_second_run_holds_the_same_samples_out(run: Run) -> None:
    below, above = run.source().split(0.25, 0)[1], codes_of(run).split(0.25, 0)[1]
    assert below is not None and above is not None
    torch.testing.assert_close(
        above.gather(torch.arange(9)), run.sae().transform(below.gather(torch.arange(9))).dense()
    )


def test_what_cannot_be_is_one_sentence(run: Run, tmp_path: Path) -> None:
    with pytest.raises(SparsightError, match="there is no folder 'nowhere'"):
        build("source", {"name": "codes", "run": "nowhere"})
    Run.create(tmp_path / "begun", run.recipe, run.manifest)
    with pytest.raises(SparsightError, match="the run 'begun' has not ended"):
        build("source", {"name": "codes", "run": str(tmp_path / "begun")})
    with pytest.raises(SparsightError, match=f"samples of 784 inputs do not fit the model of .* which has {D}"):
        build("source", {"name": "codes", "run": str(run.path), "source": "digits"})
