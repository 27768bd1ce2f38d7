"""Where training starts."""

from typing import Any

import pytest
import torch
from toys import samples, toy_job

from sparsight.spec import build, describe, names

FITTED = [
    name
    for name in names("architecture")
    if (start := describe(build("architecture", name).initialisation))["name"] == "data" and start["fit"]
]


@pytest.mark.parametrize("name", FITTED)
def test_first_reconstructions_have_the_size_of_the_samples(name: str) -> None:
    """No factor makes their error much smaller; cuts, thresholds and rounds of a pursuit are not linear."""

    def errors(start: dict[str, Any]) -> tuple[float, float]:
        job = toy_job(name, initialisation=start)
        sae, x = job.sae, samples()
        with torch.no_grad():
            recon, centred = sae.run(x, x, needs=frozenset({"recon"})).recon - sae.b_dec, x - sae.b_dec
            scale = (recon * centred).sum() / recon.square().sum()
            first, last = (float((s * recon - centred).square().sum()) for s in (1.0, scale))
            return first, last

    spec = describe(build("architecture", name).initialisation)
    here, best = errors(spec)
    assert here < 1.1 * best
    mirrored, _ = errors({**spec, "fit": False})
    assert here < 1.001 * mirrored


def test_a_tied_encoder_stays_a_mirror() -> None:
    sae = toy_job({"name": "topk", "tied": True}, initialisation="data").sae
    torch.testing.assert_close(sae.W_enc.norm(dim=1), torch.ones(sae.n_latents))
