import json
import shutil
from pathlib import Path

import pytest
from toys import toy_source

from sparsight import recipes, spec
from sparsight.job import Recipe, train
from sparsight.run import Run
from sparsight.views.summary import changes, described

TOY = ["n_latents=24", "architecture.k=4", "train.epochs=2", "train.batch_size=64"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = Recipe.parse(spec.override(recipes.read("strokes"), TOY))
    return train(recipe, tmp_path_factory.mktemp("runs") / "toy", toy_source(256))


def test_a_run_is_one_record_that_json_holds(run: Run) -> None:
    record = described(run)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["ended"] == "finished"
    assert record["steps"] == 8
    assert record["data"]["samples"] == 256 and record["data"]["source"] is None
    assert set(record["last"]["terms"]) >= {"squared_error", "smoothness.decoder"}
    assert set(record["shapes"]["moran"]) == {"encoder", "decoder", "noise"}


def test_the_changes_are_what_was_asked_for_and_nothing_else(run: Run) -> None:
    found = described(run)["changes"]
    assert {key: pair["here"] for key, pair in found.items()} == {
        "n_latents": 24,
        "architecture.k": 4,
        "train.epochs": 2.0,
        "train.batch_size": 64,
    }
    assert found["n_latents"]["recipe"] == 200


def test_another_part_is_one_change_and_dotted_names_are_quoted(run: Run) -> None:
    recipe = run.recipe
    recipe["architecture"] = {"name": "relu_l1", "l1": 0.1}
    recipe["terms"]["l1.decoder"]["weight"] = 1.0
    found = changes(recipe)
    assert found is not None
    assert found["architecture"]["here"] == {"name": "relu_l1", "l1": 0.1}
    assert found['terms."l1.decoder".weight'] == {"recipe": 0.012, "here": 1.0}
    assert "architecture.k" not in found


def test_a_recipe_of_ones_own_has_no_defaults_to_differ_from(run: Run) -> None:
    assert changes({**run.recipe, "name": "mine"}) is None


def test_the_null_is_the_error_of_the_mean(run: Run) -> None:
    record = described(run)
    quality, null = record["quality"], record["null"]
    assert null["explained_variance"] == 0
    assert 1 - quality["error"] / null["error"] == pytest.approx(quality["explained_variance"])


def test_a_run_that_was_killed_is_described_up_to_its_last_whole_line(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "killed"
    shutil.copytree(run.path, path)
    for name in ("summary.json", "model.safetensors"):
        (path / name).unlink()
    with (path / "log.jsonl").open("a") as file:
        file.write('{"step": 9, "ste')
    record = described(Run.open(path))
    assert record["ended"] is record["quality"] is record["null"] is None
    assert record["steps"] == record["last"]["step"] == 8
    assert record["last_written"]
    (path / "log.jsonl").write_text("")
    record = described(Run.open(path))
    assert record["last"] is record["last_written"] is record["dead"] is None
    assert record["steps"] == 0
    (path / "log.jsonl").unlink()
    assert described(Run.open(path)) == record
