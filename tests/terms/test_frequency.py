import pytest
import torch
from toys import toy_job

from sparsight.core import Codes, Step
from sparsight.meters.quality import measure_quality
from sparsight.spec import build


def test_the_smooth_rate_is_the_rate_where_a_feature_fires_alike_and_has_no_units() -> None:
    codes = torch.zeros(10, 3)
    codes[:4, 0], codes[:, 1], codes[0, 2] = 7.0, 0.01, 5.0
    term = build("term", {"name": "frequency", "bound": 0.2})
    x = torch.zeros(10, 1)
    for dense in (codes, -3 * codes):
        statistic = term.statistic(Step(x, x, Codes(dense, 3), x, x), None)
        # rates .4, 1 and .1 against a bound of .2
        assert float(term.value(statistic, None)) == pytest.approx((2 - 1) ** 2 + (5 - 1) ** 2)


def test_dense_and_ragged_codes_have_one_value() -> None:
    values, index = torch.rand(6, 2), torch.tensor([[0, 1], [1, 2], [0, 2], [0, 1], [3, 1], [2, 1]])
    ragged = Codes.fixed(values, index, 4)
    term, x = build("term", "frequency"), torch.zeros(6, 1)
    found = [term.statistic(Step(x, x, codes, x, x), None) for codes in (ragged, Codes(ragged.dense(), 4))]
    torch.testing.assert_close(*found)


def test_always_on_features_go_off() -> None:
    def densest(weight: float) -> float:
        job = toy_job({"name": "relu_l1", "l1": 0.001}, terms={"frequency": {"weight": weight, "bound": 0.2}})
        job.trainer.fit(job.source)
        return float(measure_quality(job.sae, job.source).rate.max())

    assert densest(0.05) < 0.6 * densest(0.0)


def test_a_small_batch_gets_a_moving_average() -> None:
    term = build("term", {"name": "frequency", "bound": 0.1})
    assert term.memory(100) == 0
    assert term.memory(20) == pytest.approx(0.8)
