import base64
import csv
import io

import numpy as np
import torch
from PIL import Image
from toys import F, samples, toy_job, toy_source

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


def test_examples_point_at_their_samples_in_the_sprite() -> None:
    job = toy_job("topk", toy_source(labels=[n % 3 if n < 200 else None for n in range(512)]), train={"epochs": 1.0})
    atlas = survey(job.sae, job.source, fits=0)
    ids = np.arange(F)
    found = features.examples(atlas, job.source, ids, top=3, drawn=4)
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(found["sprite"].split(",")[1])))) / 255
    low, high = samples().min(), samples().max()
    for feature in range(F):
        for k, place in enumerate(found["top"][feature]):
            sample = int(atlas["top_ids"][feature, k])
            if sample < 0:
                assert place == -1
                continue
            assert found["samples"][place] == sample
            assert found["labels"][place] == (str(sample % 3) if sample < 200 else None)
            down, across = divmod(place, found["across"])
            tile = sheet[4 * down : 4 * down + 4, 4 * across : 4 * across + 4]
            wanted = ((samples()[sample] - low) / (high - low)).view(4, 4)
            np.testing.assert_allclose(tile, wanted, atol=1 / 255)
        drawn = [
            code
            for place, code in zip(found["drawn"][feature], found["drawn_codes"][feature], strict=True)
            if place >= 0
        ]
        assert drawn == sorted(drawn, reverse=True)


def test_the_heaviest_weights_are_named() -> None:
    names = [f"column {n}" for n in range(16)]
    job = toy_job("topk", build("source", "arrays", data=samples(), names=names), train={"epochs": 1.0})
    rows = job.sae.W_dec.detach()
    found = features.heaviest(job.sae, np.array([2]), 3)[0]
    best = rows[2].abs().argsort(descending=True)[:3]
    assert [name for name, _ in found] == [names[i] for i in best]
    np.testing.assert_allclose([weight for _, weight in found], rows[2][best], rtol=1e-3)
