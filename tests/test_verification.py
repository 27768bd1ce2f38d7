"""What is claimed of runs is so, and what cannot be claimed is said."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from toys import samples, toy_source
from verify_truth import CASES, judged

import sparsight
from sparsight import spec
from sparsight.claims._case import Case
from sparsight.core import Source
from sparsight.errors import SparsightError
from sparsight.job import Recipe, train
from sparsight.run import Run
from sparsight.spec import build

ALL = {"baselines", "causality", "generalisation", "nulls", "plants", "stability", "use"}


def labelled(n: int = 400) -> Source:
    """Toy pictures with a class that a feature has."""
    x = samples(n)
    return build("source", "arrays", data=x, labels=(x[:, 0] > x[:, 1]).long().tolist(), shape=[4, 4])


def a_run(place: Path, data: Source | None, **more: Any) -> Run:
    asked = {
        "n_latents": 16,
        "architecture": {"name": "topk", "k": 3},
        "preprocess": ["scale"],
        **more,
        "train": {"epochs": 8.0, "batch_size": 64, "hold_out": 0.25, **more.get("train", {})},
    }
    return train(Recipe.parse(asked), place, data)


class Heard:
    def __init__(self) -> None:
        self.plans: list[tuple[int, float]] = []
        self.said: list[tuple[float, float, str]] = []

    def on_plan(self, trainings: int, seconds: float) -> None:
        self.plans.append((trainings, seconds))

    def on_progress(self, done: float, total: float, said: str) -> None:
        self.said.append((done, total, said))


@pytest.fixture(scope="module")
def verified(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Source, Heard]:
    source, heard = labelled(), Heard()
    run = a_run(tmp_path_factory.mktemp("verified") / "run", source)
    sparsight.verify(run, source=source, observers=[heard])
    return run, source, heard


def test_every_claim_is_a_sentence_with_an_interval_around_its_value_and_a_null(
    verified: tuple[Run, Source, Heard],
) -> None:
    evidence = verified[0].evidence()
    assert {claim.name for claim in evidence.claims} == ALL == set(spec.names("claim"))
    assert evidence.left_out == {}
    for claim in evidence.claims:
        assert claim.low is not None and claim.high is not None and claim.value is not None
        assert claim.low - 1e-9 <= claim.value <= claim.high + 1e-9, claim
        assert claim.null is not None
        assert "\n" not in claim.said and len(claim.said) > 40
    assert set(evidence.columns) >= {"real", "stability", "nearest_null", "non_normal", "response", "logits"}
    assert all(len(column) == 16 for column in evidence.columns.values())
    assert evidence.columns["real"].dtype == bool


def test_evidence_is_read_as_it_was_written(verified: tuple[Run, Source, Heard]) -> None:
    run = verified[0]
    evidence = run.evidence()
    text = (run.path / "evidence.json").read_text()
    run.put_evidence(evidence)
    assert (run.path / "evidence.json").read_text() == text
    assert json.loads(text)["rests_on"]["trainings"] == verified[2].plans[0][0]


def test_it_says_beforehand_how_long_it_takes_and_then_how_far_it_is(verified: tuple[Run, Source, Heard]) -> None:
    run, _, heard = verified
    assert run.summary is not None
    ((trainings, seconds),) = heard.plans
    assert trainings == 4 + 4 * 2 + 2
    assert seconds == pytest.approx(trainings * run.summary["seconds"])
    done = [at for at, _, _ in heard.said]
    assert done == sorted(done) and done[-1] == trainings == heard.said[-1][1]


def test_a_second_call_does_nothing_again_and_says_the_same(verified: tuple[Run, Source, Heard]) -> None:
    run, source, _ = verified
    before, heard = run.evidence().record(), Heard()
    assert sparsight.verify(run, source=source, claims=["use"], observers=[heard]).record() == before
    assert heard.plans == [(0, 0.0)]


def test_results_of_other_weights_are_not_taken(verified: tuple[Run, Source, Heard], tmp_path: Path) -> None:
    run, source, _ = verified
    other = a_run(tmp_path / "other", source, seed=5)
    (other.path / "verify").mkdir()
    for name in ("use", "causality"):
        (other.path / "verify" / f"{name}.json").write_bytes((run.path / "verify" / f"{name}.json").read_bytes())
    evidence = sparsight.verify(other, source=source, claims=["use"])
    assert {claim.name for claim in evidence.claims} == {"use"}
    assert not np.isclose(evidence["use"].numbers["codes"], run.evidence()["use"].numbers["codes"])


def test_labels_that_say_nothing_are_not_of_use(tmp_path: Path) -> None:
    x = samples(400)
    chance = build("source", "arrays", data=x, labels=(torch.arange(400) % 2).tolist())
    use = sparsight.verify(a_run(tmp_path / "run", chance), source=chance, claims=["use"])["use"]
    assert not use.holds
    assert use.low is not None and use.low < 0.05


def test_samples_learned_by_heart_do_not_generalise(tmp_path: Path) -> None:
    noise = torch.randn(120, 64, generator=torch.Generator().manual_seed(0))
    source = build("source", "arrays", data=noise)
    more = {"n_latents": 128, "train": {"epochs": 150.0, "batch_size": 30, "hold_out": 0.5}}
    evidence = sparsight.verify(a_run(tmp_path / "run", source, **more), source=source, claims=["generalisation"])
    claim = evidence["generalisation"]
    assert not claim.holds and claim.low is not None and claim.low > 1.3


def test_what_is_made_of_known_features_is_found_where_it_is_planted_strongly(
    verified: tuple[Run, Source, Heard],
) -> None:
    curve = verified[0].evidence()["plants"].numbers["curve"]
    assert [point["size"] for point in curve] == sorted(point["size"] for point in curve)
    assert len(curve) == 4
    assert all(point["planted"] == 2 and point["low"] <= point["share"] <= point["high"] for point in curve)
    assert curve[-1]["cosine"] > curve[0]["cosine"]


def test_every_null_is_measured_as_the_run_is_and_explains_less(verified: tuple[Run, Source, Heard]) -> None:
    claim = verified[0].evidence()["nulls"]
    rows = claim.numbers["rows"]
    assert set(rows) == {"this run", "gaussian", "shuffled", "scrambled", "untrained", "random"}
    ours = rows["this run"]
    assert claim.value == ours["explained_variance"]
    for name, row in rows.items():
        assert row["probe_error"] is not None and row["moran"] is not None
        assert (row["stability"] is None) == (name in ("untrained", "random"))
        assert (row["own"] is None) == (name in ("this run", "untrained", "random"))
        assert name == "this run" or row["explained_variance"] < ours["explained_variance"]


def test_baselines_stand_beside_the_run_at_its_size_and_l0(verified: tuple[Run, Source, Heard]) -> None:
    claim = verified[0].evidence()["baselines"]
    names = {row["name"] for row in claim.numbers["rows"][1:]}
    assert names == set(spec.names("baseline"))
    assert all(row["l0"] <= 3 for row in claim.numbers["rows"])
    assert claim.null == max(row["explained_variance"] for row in claim.numbers["rows"][1:])


def test_a_stack_has_no_other_starts() -> None:
    run: Any = SimpleNamespace(recipe={"architecture": {"name": "stack"}})
    source = toy_source()
    said = Case(run, source, source).untrainable
    assert said is not None and "verify the runs that it is made of" in said


def test_samples_that_weigh_nothing_are_in_no_null_data() -> None:
    x = torch.cat([torch.zeros(60, 4), torch.ones(60, 4)])
    run: Any = None
    source = build("source", "arrays", data=x, weight=[0.0] * 60 + [1.0] * 60)
    assert Case(run, source, source).rows.eq(1).all()


@pytest.mark.parametrize(
    ("more", "source", "left"),
    [
        ({"train": {"hold_out": 0.0}}, labelled(), {"generalisation": "train.hold_out", "use": "hold some out"}),
        ({}, toy_source(400), {"use": "there are no held-out samples with labels"}),
        ({"architecture": "transcoder"}, toy_source(400, targets=True), {"baselines": "others", "plants": "targets"}),
        ({"architecture": "sigmoid_kl", "preprocess": []}, labelled(), {"plants": "bounds"}),
    ],
)
def test_claims_that_cannot_be_made_are_left_out_with_a_sentence(
    more: dict[str, Any], source: Source, left: dict[str, str], tmp_path: Path
) -> None:
    run = a_run(tmp_path / "run", source, **more)
    evidence = sparsight.verify(run, source=source, claims=list(left))
    assert set(evidence.left_out) == set(left)
    for name, word in left.items():
        assert word in evidence.left_out[name]
    assert evidence.claims == ()


def test_a_run_that_cannot_be_verified_is_refused(tmp_path: Path) -> None:
    source = toy_source(400)
    run = a_run(tmp_path / "run", source)
    with pytest.raises(SparsightError, match="were given in memory: give them again"):
        sparsight.verify(run)
    with pytest.raises(SparsightError, match="not the data"):
        sparsight.verify(run, source=toy_source(400, seed=9))
    with pytest.raises(SparsightError, match="unknown claim 'usefulness'"):
        sparsight.verify(run, source=source, claims=["usefulness"])
    with pytest.raises(SparsightError, match="nobody has verified"):
        run.evidence()
    few = toy_source(60)
    with pytest.raises(SparsightError, match="nothing can be claimed from fewer than 50"):
        sparsight.verify(a_run(tmp_path / "few", few), source=few)
    (run.path / "evidence.json").write_text('{"claims": 3}')
    with pytest.raises(SparsightError, match="is damaged"):
        run.evidence()
    (run.path / "summary.json").unlink()
    with pytest.raises(SparsightError, match="has not ended"):
        sparsight.verify(run, source=source)


def summaries(run: Run) -> list[Path]:
    """Of the trainings from other starts."""
    return list(run.path.glob("verify/*/seeds/*/summary.json"))


KILLED = """
import sys, sparsight
from sparsight.run import Run
sparsight.verify(Run.open(sys.argv[1]), claims=["stability"])
"""


def test_what_was_trained_before_a_kill_is_not_trained_again(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", samples(600).numpy())
    known = {"name": "arrays", "path": str(tmp_path / "x.npy")}
    run = a_run(tmp_path / "run", None, source=known, train={"epochs": 20.0})
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(run.path)])
    deadline = time.monotonic() + 60
    while len(summaries(run)) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    written = {path: path.stat().st_mtime_ns for path in summaries(run)}
    assert len(written) == 4
    assert not (run.path / "evidence.json").exists()
    heard = Heard()
    evidence = sparsight.verify(run, claims=["stability"], observers=[heard])
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert heard.plans[0][0] <= 3 * 2
    assert "stability" in evidence


# --- truth -----------------------------------------------------------------------------------------------------------

TOPK = {"name": "topk", "k": 4}


@pytest.mark.slow
@pytest.mark.parametrize("case", ["iid noise", "Gaussian with a covariance"])
@pytest.mark.parametrize("seed", [300, 301, 302])
def test_nothing_in_noise_is_real(case: str, seed: int, tmp_path: Path) -> None:
    assert judged(CASES[case](seed), TOPK, seed, tmp_path / "run")["real"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("case", ["planted in iid noise", "planted in a covariance", "synthetic"])
def test_known_features_that_were_found_are_real_and_others_are_not(case: str, tmp_path: Path) -> None:
    row = judged(CASES[case](300), TOPK, 300, tmp_path / "run")
    assert row["recoverable"] >= 0.8 * row["true"]
    assert row["called"] >= 0.9 * row["recoverable"]
    assert row["right"] >= 0.95 * row["real"] - 1
