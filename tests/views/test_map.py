"""Features in two dimensions."""

import numpy as np
import pytest
import torch
from toys import F, toy_job

from sparsight.views import map as mapping


@pytest.mark.parametrize(("near", "method"), [(2_048, "t-SNE"), (2, "PCA")])
def test_features_with_alike_rows_lie_together(monkeypatch: pytest.MonkeyPatch, near: int, method: str) -> None:
    monkeypatch.setattr(mapping, "NEAR", near)
    sae = toy_job("topk").sae
    with torch.no_grad():
        half = F // 2
        sae.W_dec.copy_(0.05 * torch.randn(F, sae.n_inputs, generator=torch.Generator().manual_seed(0)))
        sae.W_dec[:half, 0] += 1
        sae.W_dec[half:, 5] += 1
    said, places = mapping.laid_out(sae)
    assert said == method
    assert places.shape == (F, 2)
    assert places.dtype == np.float32
    assert places.min() == 0
    assert places.max() == 1
    far = np.linalg.norm(places[:, None] - places[None], axis=2)
    same = (np.arange(F) < half)[:, None] == (np.arange(F) < half)[None]
    assert np.median(far[same]) < 0.5 * np.median(far[~same])
