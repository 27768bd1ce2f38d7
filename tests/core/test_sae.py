"""A model in a file."""

from pathlib import Path

import pytest
import torch
from toys import samples, toy_job

from sparsight.core import SAE
from sparsight.spec import names


@pytest.mark.parametrize("name", [name for name in names("architecture") if name != "stack"])  # that is made of runs
def test_a_mapped_model_does_what_a_loaded_one_does(tmp_path: Path, name: str) -> None:
    job = toy_job(name)
    job.sae.save(tmp_path / "model.safetensors")
    loaded, mapped = (SAE.load(tmp_path / "model.safetensors", mapped=how) for how in (False, True))
    x = job.source.gather(torch.arange(16))
    assert mapped.transform(x).dense().allclose(loaded.transform(x).dense(), atol=1e-6)
    assert mapped.reconstruct(x).allclose(loaded.reconstruct(x), atol=1e-6)
    some = torch.tensor([5, 0])
    for of, weights in loaded.filters().items():
        assert mapped.filters(some)[of].equal(weights[some])


def test_a_reconstruction_has_what_preprocessing_took_out_of_its_sample() -> None:
    sae = toy_job("topk", preprocess=["remove_mean", "normalise_contrast", "zca_whiten"]).sae.eval()
    raw = samples(20) + torch.arange(20)[:, None]
    recon = sae(sae.preprocess(raw))
    torch.testing.assert_close(sae.reconstruct(raw), sae.preprocess.restore(recon, raw))
    torch.testing.assert_close(sae.reconstruct(raw).mean(1), raw.mean(1), rtol=0, atol=0.2)
    assert sae.in_raw_units(recon).mean(1).std() < 1, "codes alone do not know how bright a sample is"
