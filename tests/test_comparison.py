import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import samples, toy_source

from sparsight.comparison import compare
from sparsight.errors import SparsightError
from sparsight.job import Recipe, train
from sparsight.meters.quality import measure_quality
from sparsight.run import Run
from sparsight.spec import build, names
from sparsight.views.summary import described


def a_run(place: Path, source: Any = "digits", data: Any = None, **more: Any) -> Run:
    given = {
        "source": source,
        "n_latents": 12,
        "architecture": {"name": "topk", "k": 3},
        "preprocess": ["scale"],
        **more,
        "train": {"epochs": 1.0, "batch_size": 64, **more.get("train", {})},
    }
    return train(Recipe.parse(given), place, data)


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Any]:
    np.save(tmp_path / "x.npy", samples(256).numpy())
    return {"name": "arrays", "path": str(tmp_path / "x.npy"), "shape": [4, 4]}


def named(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in record["rows"]}


def test_runs_come_first_then_every_baseline_then_the_nulls(tmp_path: Path, pictures: dict[str, Any]) -> None:
    one = a_run(tmp_path / "one", pictures)
    two = a_run(tmp_path / "two", pictures, architecture="relu_l1")
    record = compare([one, two])
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert [row["name"] for row in record["rows"][:2]] == [str(one.path), str(two.path)]
    assert set(named(record)) == {str(one.path), str(two.path), *names("baseline")}
    assert [row["kind"] for row in record["rows"][-2:]] == ["null", "null"]
    assert (record["n_latents"], record["k"]) == (12, 3)
    rows = named(record)
    assert rows["pca"]["l0"] <= 3 and rows["k_means"]["l0"] == 1
    assert all(row["moran"] is not None for row in record["rows"])
    assert abs(rows["random"]["moran"]) < abs(rows["mean"]["moran"]) + 1
    assert [row["dead"] is None for row in record["rows"]] == [row["kind"] != "run" for row in record["rows"]]
    assert {row["kind"] for row in compare([one], baselines=())["rows"]} == {"run"}


def test_true_features_that_are_known_are_looked_for_in_every_row(tmp_path: Path) -> None:
    known = {"name": "synthetic", "width": 12, "n_atoms": 12, "active": 1.0, "n_samples": 2_000}
    run = a_run(tmp_path / "one", known, train={"epochs": 12.0})
    rows = named(compare([run], baselines=["random", "ica"]))
    summary, described_ = run.summary, described(run)
    assert summary is not None
    assert rows[str(run.path)]["found"] == summary["recovery"]["found"] > 0.4 > rows["random"]["found"]
    assert described_["recovery"] == summary["recovery"]
    assert summary["recovery"]["null.found"] < 0.5
    assert all(row["found"] is None for row in compare([a_run(tmp_path / "two")], baselines=())["rows"])


def test_what_preprocessing_takes_out_of_samples_is_said_to_be_missed(tmp_path: Path, pictures: dict[str, Any]) -> None:
    plain, less = (
        a_run(tmp_path / name, pictures, preprocess=[name, "scale"]) for name in ("zca_whiten", "remove_mean")
    )
    said = "what remove_mean took out of each sample is not in the codes, and counts as missed"
    assert said not in compare([plain], baselines=())["notes"]
    assert compare([less, plain], baselines=())["notes"].count(said) == 1


def test_all_are_measured_on_the_held_out_samples_in_the_units_of_the_data(
    tmp_path: Path, pictures: dict[str, Any]
) -> None:
    run = a_run(tmp_path / "one", pictures, train={"hold_out": 0.25})
    record = compare([run], baselines=())
    assert record["measured_on"] == "64 held-out samples"
    _, held_out = build("source", pictures).split(0.25, 0)
    assert held_out is not None
    quality = measure_quality(run.sae(), held_out, raw=True).result()
    assert record["rows"][0]["explained_variance"] == quality["explained_variance"]
    assert compare([a_run(tmp_path / "two", pictures)], baselines=())["measured_on"] == "256 training samples"


def test_a_table_has_no_geometry_and_no_labels(tmp_path: Path, pictures: dict[str, Any]) -> None:
    record = compare([a_run(tmp_path / "one", {"name": "arrays", "path": pictures["path"]})])
    assert all(row["moran"] is None and row["probe_error"] is None for row in record["rows"])
    assert record["labels"] == 0


def test_labels_are_probed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparsight.comparison.MEASURED", 200)
    record = compare([a_run(tmp_path / "one")], baselines=())
    assert record["labels"] == 200
    assert 0 < record["rows"][0]["probe_error"] < 0.9
    monkeypatch.setattr("sparsight.comparison.PROBED", 12 * 50)
    assert compare([a_run(tmp_path / "two")], baselines=())["labels"] == 50


def test_samples_without_a_label_are_not_probed(tmp_path: Path) -> None:
    source = toy_source(labels=[n % 2 if n < 60 else None for n in range(512)])
    record = compare([a_run(tmp_path / "one", None, source)], source=source, baselines=("mean",))
    assert record["labels"] == 60
    assert record["rows"][1]["probe_error"] == pytest.approx(0.5)
    nobody = toy_source(labels=[None] * 512)
    assert compare([a_run(tmp_path / "two", None, nobody)], source=nobody, baselines=())["labels"] == 0


def test_negative_samples_leave_nmf_out_and_say_so(tmp_path: Path) -> None:
    np.save(tmp_path / "y.npy", samples(128).numpy() - 0.5)
    record = compare([a_run(tmp_path / "one", {"name": "arrays", "path": str(tmp_path / "y.npy")})])
    assert "nmf" not in named(record)
    assert "nmf is left out: samples have values below 0" in record["notes"]


def test_runs_on_other_data_are_refused(tmp_path: Path, pictures: dict[str, Any]) -> None:
    one = a_run(tmp_path / "one", pictures)
    np.save(tmp_path / "y.npy", samples(128, seed=2).numpy())
    two = a_run(tmp_path / "two", {"name": "arrays", "path": str(tmp_path / "y.npy")})
    sentence = (
        "one' and '.*two' were trained on different samples, and there is no data set .* compare runs of the same"
    )
    with pytest.raises(SparsightError, match=sentence):
        compare([one, two])
    with pytest.raises(SparsightError, match="nothing to compare"):
        compare([])


def test_seeds_that_held_out_different_samples_are_measured_on_the_test_samples_of_the_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sparsight.comparison.PROBED", 4 * 50)  # few labels, for speed
    runs = [a_run(tmp_path / f"{seed}", seed=seed, n_latents=4, train={"hold_out": 0.1}) for seed in (0, 1)]
    record = compare(runs, baselines=("mean",))
    assert record["measured_on"] == "2,000 held-out samples"
    assert "all are measured on the data set's own test samples" in record["notes"][0]
    test = build("source", {"name": "digits", "part": "test"})
    for run, row in zip(runs, record["rows"], strict=False):
        assert row["explained_variance"] == measure_quality(run.sae(), test, raw=True).result()["explained_variance"]


def test_seeds_are_measured_on_what_each_held_out_where_the_data_set_has_no_test_samples(
    tmp_path: Path, pictures: dict[str, Any]
) -> None:
    runs = [a_run(tmp_path / f"{seed}", pictures, seed=seed, train={"hold_out": 0.25}) for seed in (0, 1)]
    runs.append(a_run(tmp_path / "all", pictures))
    record = compare(runs, baselines=())
    source = build("source", pictures)
    parts = [source.split(0.25, 0)[1], source.split(0.25, 1)[1], source]
    for run, part, row in zip(runs, parts, record["rows"], strict=True):
        assert part is not None
        assert row["explained_variance"] == measure_quality(run.sae(), part, raw=True).result()["explained_variance"]
    first, second = record["notes"]
    assert "each is measured on its own" in first
    assert second == f"{tmp_path / 'all'} held out none and is measured on its training samples"
    assert compare(runs[:2], source=source, baselines=())["rows"] == record["rows"][:2]


def test_seeds_that_held_out_none_share_their_samples(tmp_path: Path, pictures: dict[str, Any]) -> None:
    record = compare([a_run(tmp_path / f"{seed}", pictures, seed=seed) for seed in (0, 1)], baselines=())
    assert record["notes"] == []
    first, second = record["rows"]
    assert first["explained_variance"] != second["explained_variance"]


def test_the_samples_are_found_in_the_first_recipe_whose_file_still_holds_them(
    tmp_path: Path, pictures: dict[str, Any]
) -> None:
    one = a_run(tmp_path / "one", pictures, seed=0, train={"hold_out": 0.25})
    moved = tmp_path / "moved.npy"
    Path(pictures["path"]).rename(moved)
    two = a_run(tmp_path / "two", {**pictures, "path": str(moved)}, seed=1, train={"hold_out": 0.25})
    assert [row["name"] for row in compare([one, two], baselines=())["rows"]] == [str(one.path), str(two.path)]
    moved.unlink()
    with pytest.raises(SparsightError, match="there is no data set to be read that holds both"):
        compare([one, two])


def test_a_run_that_has_not_ended_is_refused(tmp_path: Path, pictures: dict[str, Any]) -> None:
    one = a_run(tmp_path / "one", pictures)
    (one.path / "summary.json").unlink()
    with pytest.raises(SparsightError, match="has not ended: `sparsight train --resume"):
        compare([one])


@pytest.mark.parametrize("gone", [True, False], ids=["in memory", "a file that changed"])
def test_samples_that_are_gone_leave_the_summaries(tmp_path: Path, pictures: dict[str, Any], gone: bool) -> None:
    run = a_run(tmp_path / "one", None, toy_source(256)) if gone else a_run(tmp_path / "one", pictures)
    np.save(pictures["path"], samples(100).numpy())
    record = compare([run])
    (row,) = record["rows"]
    summary = run.summary
    assert summary is not None
    assert row["explained_variance"] == summary["quality"]["explained_variance"]
    assert row["moran"] == summary["shapes"]["moran"]["decoder"]
    (note,) = record["notes"]
    assert "cannot be read again" in note and "there are no baselines" in note
