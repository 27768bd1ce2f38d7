"""`sparsight convert`."""

from pathlib import Path

import numpy as np
import pytest
import torch
from commands import sparsight
from toys import samples, toy_job

from sparsight import interchange


def test_a_model_goes_to_another_system_and_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job = toy_job({"name": "topk", "k": 4}, preprocess=["standardise"])
    job.trainer.fit(job.source)
    sae, x = job.sae.eval(), samples(100)
    sae.save(tmp_path / "model.safetensors")
    np.save(tmp_path / "data.npy", samples(500).numpy())
    ways = [("model.safetensors", "saelens"), ("saelens", "sparsify"), ("sparsify", "sparsight")]
    for source, to in ways:
        data = ["--data", str(tmp_path / "data.npy")]
        arguments = ("convert", str(tmp_path / source), str(tmp_path / to), "--to", to, *data)
        assert sparsight(*arguments, monkeypatch=monkeypatch) == 0
        said = capsys.readouterr().out
        assert f"written to {tmp_path / to} for {to}" in said
        assert "of the variance of 500 samples explained (null, the mean: 0%) with" in said
        again = interchange.read(tmp_path / to)
        torch.testing.assert_close(again.reconstruct(x), sae.reconstruct(x), rtol=1e-4, atol=1e-4)


def test_what_does_not_fit_the_data_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    toy_job("topk").sae.save(tmp_path / "model.safetensors")
    np.save(tmp_path / "data.npy", 100 + samples(500).numpy())
    data = ["--data", str(tmp_path / "data.npy")]
    arguments = ("convert", str(tmp_path / "model.safetensors"), str(tmp_path / "out"), "--to", "saelens", *data)
    assert sparsight(*arguments, monkeypatch=monkeypatch) == 2
    assert "does not fit these samples" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
