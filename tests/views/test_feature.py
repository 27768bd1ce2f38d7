"""One feature as a record."""

import json

import numpy as np
import pytest
import torch
from toys import F, toy_job, toy_source

from sparsight.atlas import edges, survey
from sparsight.core import Evidence
from sparsight.errors import SparsightError
from sparsight.run import finite
from sparsight.views.feature import FEW, MANY, described

SOURCE = toy_source(labels=np.arange(512) % 3)
SAE = toy_job("topk", SOURCE).sae
ATLAS = survey(SAE, SOURCE, fits=2)


def test_examples_are_samples_in_which_it_fires_with_their_codes_and_labels() -> None:
    codes = SAE.transform(SOURCE.gather(torch.arange(512))).dense().detach()
    for which in range(F):
        one = described(SAE, ATLAS, which, source=SOURCE)
        for kind, examples in one["examples"].items():
            for example in examples:
                assert example["code"] == pytest.approx(float(codes[example["id"], which]), rel=1e-3), kind
                assert example["label"] == str(example["id"] % 3)
        top = [example["code"] for example in one["examples"]["top"]]
        assert top == sorted(top, reverse=True)
        assert len(top) == min(MANY[0], int((codes[:, which] != 0).sum()))


def test_quantiles_cover_the_range_of_codes() -> None:
    which = int(np.argmax(ATLAS["rate"]))
    one = described(SAE, ATLAS, which, source=SOURCE)
    codes = [example["code"] for example in one["examples"]["quantiles"]]
    drawn = ATLAS["random_values"][which]
    assert min(codes) < np.quantile(drawn, 0.3)
    assert max(codes) >= 0.99 * np.quantile(drawn, 0.8)


def test_a_histogram_is_that_of_the_atlas_where_it_fired() -> None:
    which = int(np.argmax(ATLAS["rate"]))
    found = described(SAE, ATLAS, which)["histogram"]
    assert sum(found["counts"]) == ATLAS["histogram"][which].sum()
    assert len(found["edges"]) == len(found["counts"]) + 1
    start = int(np.abs(edges() - found["edges"][0]).argmin())
    assert found["counts"] == ATLAS["histogram"][which][start : start + len(found["counts"])].tolist()
    assert found["marks"]["mean where it fires"] > 0


def test_a_record_is_json_with_and_without_samples() -> None:
    for source in (SOURCE, None):
        one = described(SAE, ATLAS, 0, source=source, few=True)
        json.dumps(finite(one), allow_nan=False)
        assert len(one["examples"]["top"]) <= FEW[0]
        assert all(example["label"] is None for example in one["examples"]["top"]) == (source is None)


def test_evidence_and_neighbours_are_those_of_the_feature() -> None:
    real = np.arange(F) == 3
    evidence = Evidence(claims=(), columns={"real": real, "stability": np.linspace(0, 1, F)})
    one = described(SAE, ATLAS, 3, evidence=evidence)
    assert one["evidence"]["real"] is True
    assert one["evidence"]["stability"] == pytest.approx(3 / (F - 1), rel=1e-3)
    assert [n for n, _ in one["neighbours"]["decoder"]] == ATLAS["decoder.neighbour_ids"][3].tolist()


@pytest.mark.parametrize("which", [-1, F])
def test_a_feature_that_is_not_there_is_refused(which: int) -> None:
    with pytest.raises(SparsightError, match=f"there is no feature {which}"):
        described(SAE, ATLAS, which)
