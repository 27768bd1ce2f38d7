import json
import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toys import toy_job, toy_source

from sparsight.core import Finding
from sparsight.errors import SparsightError
from sparsight.job import Recipe, train
from sparsight.run import Run
from sparsight.views import live, tiles
from sparsight.views.live import Live, Tail, so_far

RECIPE = {
    "name": "toy",
    "n_latents": 24,
    "architecture": "topk",
    "train": {"epochs": 4.0, "batch_size": 64, "log_every": 4, "checkpoint_every": 6, "dead_after": 100},
}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return train(Recipe.parse(RECIPE), tmp_path / "run", toy_source())


def unended(run: Run) -> Run:
    for name in ("summary.json", "model.safetensors"):
        (run.path / name).unlink()
    return run


def test_a_run_is_told_once_and_then_only_what_is_new(run: Run) -> None:
    watched = Live(run)
    told = dict(watched.news())
    assert [record["step"] for record in told["log"]] == [4, 8, 12, 16, 20, 24, 28, 32]
    assert set(told["log"][0]["terms"]["squared_error"]) == {"value", "weight", "loss", "share"}
    assert told["state"] == "finished"
    assert told["snapshot"]["step"] == 32 and told["snapshot"]["ended"]
    assert dict(watched.news()) == {}
    assert json.loads(json.dumps(told, allow_nan=False))["log"] == told["log"]


def test_steps_that_are_known_are_not_told_again(run: Run) -> None:
    assert [record["step"] for record in dict(Live(run, after=24).news())["log"]] == [28, 32]


def test_a_log_is_read_on_from_where_it_was_and_anew_where_it_was_cut_back(run: Run) -> None:
    tail = Tail(run.path / "log.jsonl")
    cut, lines = tail.read()
    assert not cut and len(lines) == 8
    with tail.path.open("a") as file:
        file.write('{"step": 99, "st')
    assert tail.read() == (False, [])
    run.rewind(12)
    cut, lines = tail.read()
    assert cut and [line.step for line in lines] == [4, 8, 12]
    run.append(lines[0])
    assert [line.step for line in tail.read()[1]] == [4]
    os.remove(tail.path)
    assert tail.read() == (False, [])


def test_after_a_log_is_cut_back_all_of_it_is_told(run: Run) -> None:
    watched = Live(unended(run), after=24)
    assert [record["step"] for record in dict(watched.news())["log"]] == [28, 32]
    run.rewind(8)
    assert [record["step"] for record in dict(watched.news())["log"]] == [4, 8]


def test_a_run_that_has_not_ended_is_trained_or_interrupted(run: Run) -> None:
    unended(run)
    assert live.state(run) == "interrupted"
    with run.held():
        assert live.state(run) == "training"


def test_findings_are_those_of_the_log_until_the_run_is_judged(run: Run) -> None:
    log = run.log()
    unended(run).rewind(0)
    watched = Live(run)
    assert dict(watched.news())["findings"] == {"so_far": True, "findings": []}
    for line in log:
        run.append(replace(line, loss=math.nan))
    found = dict(watched.news())["findings"]
    assert found["so_far"]
    assert [each["rule"] for each in found["findings"]] == ["not-finite"]
    assert found["findings"][0]["page"] == "faults/not-finite.md"
    judged = Finding(rule="dead", id="D1", severity="red", said="All are dead.", cause="", fix="")
    run.put_findings([judged])
    told = dict(watched.news())["findings"]
    assert not told["so_far"]
    assert [each["said"] for each in told["findings"]] == ["All are dead."]


def test_a_run_is_over_when_it_has_ended_and_was_judged(run: Run) -> None:
    watched = Live(run)
    list(watched.news())
    assert not watched.over
    run.put_findings([])
    list(watched.news())
    assert watched.over


def test_a_new_checkpoint_is_told_and_the_same_features_are_shown_in_it(run: Run) -> None:
    watched, job = Live(unended(run)), toy_job("topk")
    first = dict(watched.news())["snapshot"]
    assert first == {
        "step": 32,
        "ended": False,
        "features": list(range(24)),
        "shape": (4, 4),
        "of": ["encoder", "decoder"],
    }
    run.checkpoint(40, {**job.trainer.state_dict(), "number": 40})
    assert dict(watched.news()) == {"snapshot": {**first, "step": 40}}


def test_of_many_features_some_are_shown_and_of_wide_ones_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    sae = toy_job("topk").sae
    monkeypatch.setattr(live, "TILES", 5)
    assert live.shown(sae).tolist() == [0, 6, 12, 17, 23]
    monkeypatch.setattr(live, "NUMBERS", 3 * 16 + 1)
    assert live.shown(sae).tolist() == [0, 12, 23]


def test_filters_are_those_of_the_last_checkpoint_and_in_the_end_of_the_model(run: Run) -> None:
    found = live.model(run)
    assert found is not None
    content = tiles.of_filters(live.filters(found[1], "decoder"))
    peaks = np.frombuffer(content, "<f4", 24)
    levels = np.frombuffer(content, np.int8, offset=96).reshape(24, 16)
    shown = torch.from_numpy(peaks[:, None] * levels / 127.0)
    torch.testing.assert_close(shown, run.sae().filters()["decoder"], atol=float(peaks.max()) / 250, rtol=0)
    unended(run)
    state = run.latest()
    found = live.model(run)
    assert state is not None and found is not None
    assert found[0] == state["number"]
    assert torch.equal(found[1].W_dec, state["sae"]["decoder.weight"])


def test_filters_of_an_unknown_kind_are_one_sentence(run: Run) -> None:
    with pytest.raises(SparsightError, match="no filters of 'both' here; there is: decoder, encoder"):
        live.filters(run.sae(), "both")


def test_a_long_log_is_thinned_and_keeps_its_ends(run: Run) -> None:
    told = so_far(run, points=3)
    assert [record["step"] for record in told["log"]] == [4, 20, 32]
    assert told["state"] == "finished"
    run.rewind(0)
    assert so_far(run)["log"] == []
