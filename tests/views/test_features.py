import base64
import csv
import io

import numpy as np
import torch
from toys import F, samples, toy_job

from sparsight.atlas import survey
from sparsight.core.sampling import spread
from sparsight.spec import build
from sparsight.views import features


def test_packed_filters_are_the_filters_to_a_hundredth_of_their_peak() -> None:
    weights = torch.randn(5, 16, generator=torch.Generator().manual_seed(0))
    weights[3] = 0
    packed = features.packed(weights)
    levels = np.frombuffer(base64.b64decode(packed["data"]), np.int8).reshape(5, 16)
    back = levels / 127 * np.array(packed["peaks"])[:, None]
    np.testing.assert_allclose(back, weights, atol=float(weights.abs().max()) / 200)
    assert packed["peaks"][3] == 0


def test_some_of_many_are_spread_evenly() -> None:
    assert spread(5, 10).tolist() == [0, 1, 2, 3, 4]
    assert spread(101, 5).tolist() == [0, 25, 50, 75, 100]


def test_numbers_without_a_value_are_none() -> None:
    assert features.numbers(np.array([[1.23456, np.nan], [np.inf, 2.0]])) == [[1.235, None], [None, 2.0]]


def test_the_table_of_all_features_reads_back() -> None:
    job = toy_job("topk", train={"epochs": 1.0})
    atlas = survey(job.sae, job.source, fits=0)
    rows = list(csv.DictReader(io.StringIO(features.as_csv(atlas))))
    assert len(rows) == F
    np.testing.assert_allclose([float(row["rate"]) for row in rows], atlas["rate"], rtol=1e-6)
    assert [row["feature"] for row in rows] == [str(n) for n in range(F)]


def test_the_heaviest_weights_are_named() -> None:
    names = [f"column {n}" for n in range(16)]
    job = toy_job("topk", build("source", "arrays", data=samples(), names=names), train={"epochs": 1.0})
    rows = job.sae.W_dec.detach()
    found = features.heaviest(job.sae, np.array([2]), 3)[0]
    best = rows[2].abs().argsort(descending=True)[:3]
    assert [name for name, _ in found] == [names[i] for i in best]
    np.testing.assert_allclose([weight for _, weight in found], rows[2][best], rtol=1e-3)
