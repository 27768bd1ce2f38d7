"""Runs as the rows of a table."""

import json
import os
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from toys import F, toy_source

from sparsight.core import Claim, Evidence, Finding
from sparsight.job import Recipe, train
from sparsight.run import Run
from sparsight.views import shelf
from sparsight.views.shelf import described, figures, picked

HOSTILE = '<img src=x onerror="alert(1)">'


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    spec = {
        "name": HOSTILE,
        "n_latents": F,
        "architecture": {"name": "topk", "k": 4},
        "train": {"epochs": 4.0, "batch_size": 64, "log_every": 1},
    }
    return train(Recipe.parse(spec), tmp_path_factory.mktemp("runs") / "toy", toy_source())


@pytest.fixture
def copied(trained: Run, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the run under another name, with what its JSON files are to say."""

    def copy(name: str, **changes: dict[str, Any]) -> Path:
        path = tmp_path / name
        shutil.copytree(trained.path, path)
        for file, changed in changes.items():
            place = path / f"{file}.json"
            content = json.loads(place.read_text())
            for key, value in changed.items():
                inner = content
                *above, last = key.split(".")
                for step in above:
                    inner = inner[step]
                inner[last] = value
            place.write_text(json.dumps(content))
        return path

    return copy


def rows_of(*paths: Path) -> list[dict[str, Any]]:
    return described({path.name: path for path in paths})["rows"]


def quality(explained: float | None, l0: float) -> dict[str, Any]:
    return {"quality.explained_variance": explained, "quality.l0": l0}


def test_a_row_has_what_the_run_says_of_itself(trained: Run) -> None:
    (row,) = rows_of(trained.path)
    summary = trained.summary
    assert summary is not None
    assert row["explained_variance"] == summary["quality"]["explained_variance"]
    assert row["null"] == 0.0
    assert (row["l0"], row["dead"], row["ended"]) == (summary["quality"]["l0"], summary["dead"], "finished")
    assert (row["architecture"], row["n_latents"], row["recipe"]) == ("topk", F, HOSTILE)
    assert row["shape"] == [4, 4]
    assert row["findings"] is row["claims"] is row["damaged"] is None
    assert row["curve"] == [line.explained_variance for line in trained.log()]
    assert json.loads(json.dumps(row, allow_nan=False)) == row


def test_a_run_without_an_end_is_trained_while_somebody_holds_it(copied: Callable[..., Path]) -> None:
    path = copied("begun")
    assert not rows_of(path)[0]["training"]
    (path / "summary.json").unlink()
    assert not rows_of(path)[0]["training"]
    with Run(path).held():
        assert rows_of(path)[0]["training"]


def test_what_was_found_and_claimed_is_counted(copied: Callable[..., Path]) -> None:
    run = Run.open(copied("judged"))
    summary = run.summary
    assert summary is not None
    severities = ("red", "amber", "amber")
    run.put_findings([Finding(rule="dead", id="D10", severity=s, said="", cause="", fix="") for s in severities])
    claims = tuple(Claim(name=name, said="", holds=holds) for name, holds in (("a", True), ("b", False)))
    run.put_evidence(Evidence(claims=claims, columns={}, rests_on={"weights": summary["weights"]}))
    (row,) = rows_of(run.path)
    assert row["findings"] == {"red": 1, "amber": 2}
    assert row["claims"] == {"made": 2, "hold": 1}
    run.put_evidence(Evidence(claims=claims, columns={}, rests_on={"weights": "of another training"}))
    assert rows_of(run.path)[0]["claims"] is None


def test_a_run_that_was_killed_has_the_figures_of_its_last_whole_line(copied: Callable[..., Path]) -> None:
    path = copied("killed")
    for name in ("summary.json", "model.safetensors"):
        (path / name).unlink()
    log = path / "log.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:3]) + '{"step": 4, "explained_variance": 0.')
    (row,) = rows_of(path)
    lines = Run.open(path).log()
    assert row["ended"] is None and row["best"] is False
    assert row["explained_variance"] == lines[2].explained_variance
    assert row["curve"] == [line.explained_variance for line in lines]
    assert row["written"].endswith("+00:00")
    log.write_text("")
    (row,) = rows_of(path)
    assert row["explained_variance"] is None and row["curve"] == []


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("summary.json", "{"),
        ("summary.json", "[]"),
        ("summary.json", '{"ended": "finished"}'),
        ("manifest.json", "\xff"),
        ("recipe.json", "null"),
        ("findings.json", '[{"rule": 1}]'),
        ("findings.json", "3"),
    ],
)
def test_a_damaged_run_is_a_row_that_says_so_beside_the_others(
    copied: Callable[..., Path], file: str, content: str
) -> None:
    bad, good = copied("bad"), copied("good")
    (bad / file).write_text(content, encoding="latin-1")
    rows = rows_of(bad, good)
    assert file in rows[0]["damaged"] or "bad" in rows[0]["damaged"]
    assert "\n" not in rows[0]["damaged"]
    assert rows[1]["damaged"] is None and rows[1]["best"]


def test_a_word_in_the_place_of_a_number_is_damage_and_no_figure(copied: Callable[..., Path]) -> None:
    bad = copied("bad", summary=quality(None, 4.0) | {"quality.explained_variance": "high"})
    assert "'high' is no number" in rows_of(bad, copied("good"))[0]["damaged"]


def test_best_is_what_no_other_run_dominates_among_those_that_can_be_compared(copied: Callable[..., Path]) -> None:
    paths = [
        copied("cheap", summary=quality(0.5, 2.0)),
        copied("good", summary=quality(0.8, 8.0)),
        copied("worse", summary=quality(0.4, 8.0)),
        copied("nothing", summary=quality(None, 8.0)),
        copied("other data", summary=quality(0.3, 16.0), manifest={"data.sha256": "other"}),
        copied("other units", summary=quality(0.3, 16.0), recipe={"preprocess": [{"name": "scale"}]}),
    ]
    record = described({path.name: path for path in paths})
    assert [row["name"] for row in record["rows"] if row["best"]] == ["cheap", "good", "other data", "other units"]
    assert len({row["group"] for row in record["rows"]}) == 3
    assert record["notes"] == [shelf.DATA, shelf.UNITS]
    assert not described({path.name: path for path in paths[:4]})["notes"]


def test_other_samples_of_the_same_data_can_be_compared_and_that_is_said(copied: Callable[..., Path]) -> None:
    digits: dict[str, Any] = {"source": {"name": "digits"}}
    paths = [
        copied("a", recipe=digits, summary=quality(0.5, 2.0)),
        copied("b", recipe=digits, summary=quality(0.8, 8.0), manifest={"data.sha256": "another split"}),
    ]
    record = described({path.name: path for path in paths})
    assert {row["group"] for row in record["rows"]} == {0}
    assert record["notes"] == [shelf.SPLIT]


def test_points_lead_to_their_runs_and_names_are_no_markup(copied: Callable[..., Path]) -> None:
    paths = [copied("a b", summary=quality(0.5, 2.0)), copied("<b>&x", summary=quality(0.8, 8.0))]
    drawn = figures(described({path.name: path for path in paths}))
    assert list(drawn) == ["Explained variance against L0"]
    chart = drawn["Explained variance against L0"]
    assert 'href="#/run/a%20b"' in chart and 'href="#/run/%3Cb%3E%26x"' in chart
    assert "<b>" not in chart and "&lt;b&gt;&amp;x" in chart
    assert 'role="group"' in chart  # an image has no parts that can be chosen


def test_runs_of_other_data_have_a_chart_of_their_own(copied: Callable[..., Path]) -> None:
    other: dict[str, Any] = {"data.sha256": "other"}
    paths = [
        *(copied(f"a{n}", summary=quality(0.5 + n / 9, 2.0 + n)) for n in range(2)),
        *(copied(f"b{n}", summary=quality(0.5 + n / 9, 2.0 + n), manifest=other) for n in range(2)),
        copied("alone", manifest={"data.sha256": "a third"}),
    ]
    drawn = figures(described({path.name: path for path in paths}))
    assert len(drawn) == 2
    assert all("data in memory, raw" in title for title in drawn)


def test_of_a_long_log_some_lines_are_read_and_the_last(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    padding = "x" * 700
    with path.open("w") as file:
        for step in range(30_000):
            file.write(json.dumps({"step": step, "explained_variance": step / 30_000, "more": padding}) + "\n")
        file.write('{"step": 30000, "expl')
    size, read = path.stat().st_size, _bytes_read()
    found = picked(path, 40)
    read = _bytes_read() - read
    assert len(found) == 40
    steps = [line["step"] for line in found]
    assert steps == sorted(set(steps)) and steps[0] == 0 and steps[-1] == 29_999
    gaps = [b - a for a, b in pairwise(steps)]
    assert max(gaps) < 2 * 30_000 / 39
    assert read < size / 20


def _bytes_read() -> int:
    if not Path("/proc/self/io").is_file():
        pytest.skip("this system does not count what is read")
    return int(Path("/proc/self/io").read_text().splitlines()[0].split()[1])


def test_a_row_is_read_again_when_a_file_of_it_changes(copied: Callable[..., Path]) -> None:
    path = copied("run")
    assert rows_of(path)[0]["findings"] is None
    Run.open(path).put_findings([])
    assert rows_of(path)[0]["findings"] == {"red": 0, "amber": 0}
    text = (path / "summary.json").read_text().replace('"finished"', '"early stop"')
    (path / "summary.json").write_text(text)
    os.utime(path / "summary.json", (1, 1))
    assert rows_of(path)[0]["ended"] == "early stop"
