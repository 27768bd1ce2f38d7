import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score
from torch import Tensor

from sparsight.core import Codes, Step
from sparsight.errors import SparsightError
from sparsight.meters.quality import Quality

F, D = 5, 3


def steps(n: int, seed: int = 0, weighted: bool = False, offset: float = 10.0) -> Step:
    generator = torch.Generator().manual_seed(seed)
    target = offset * torch.arange(D).double() + torch.randn(n, D, generator=generator).double()
    recon = target + 0.5 * torch.randn(n, D, generator=generator).double()
    codes = (torch.randn(n, F, generator=generator).double() - 0.5).relu()
    codes[:, F - 1] = 0
    weight = torch.rand(n, generator=generator).double() if weighted else None
    return Step(target, target, Codes(codes, F), recon, recon, weight=weight)


def part(step: Step, rows: slice) -> Step:
    codes = Codes(step.codes.values[rows], F)
    weight = None if step.weight is None else step.weight[rows]
    return Step(step.x[rows], step.target[rows], codes, step.logits[rows], step.recon[rows], weight=weight)


def measured(*steps: Step) -> Quality:
    quality = Quality()
    for step in steps:
        quality.update(step)
    return quality


def ragged(codes: Tensor) -> Codes:
    keep = codes != 0
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), keep.sum(1).cumsum(0)])
    return Codes(codes[keep], codes.shape[1], keep.nonzero()[:, 1], offsets)


@pytest.mark.parametrize("weighted", [False, True])
def test_explained_variance_is_that_of_scikit_learn(weighted: bool):
    step = steps(200, weighted=weighted)
    expected = r2_score(step.target, step.recon, sample_weight=step.weight, multioutput="variance_weighted")
    assert measured(step).result()["explained_variance"] == pytest.approx(expected, rel=1e-12)


def test_answering_with_the_mean_explains_nothing():
    step = steps(50)
    recon = step.target.mean(0).expand(50, D)
    # One mean for all dimensions would give over .9 here, as dimensions lie 10 apart.
    result = measured(Step(step.x, step.target, step.codes, recon, recon)).result()
    assert result["explained_variance"] == pytest.approx(0, abs=1e-12)


def test_one_mean_for_all_dimensions_would_flatter():
    step = steps(50)
    wrong = 1 - (step.target - step.recon).square().sum() / (step.target - step.target.mean()).square().sum()
    assert measured(step).result()["explained_variance"] < 0.8 < 0.99 < float(wrong)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_null_is_the_quality_of_the_mean(weighted: bool):
    step = steps(50, weighted=weighted, offset=1.0)
    weight = torch.ones(50).double() if step.weight is None else step.weight
    mean = (weight @ step.target / weight.sum()).expand(50, D)
    answered = measured(Step(step.x, step.target, step.codes, mean, mean, weight=step.weight)).result()
    null = measured(step).null()
    assert null == pytest.approx({name: answered[name] for name in null}, abs=1e-12)


def test_shrinkage_is_the_factor_that_reconstructions_lack():
    step = steps(50)
    less = Step(step.x, step.target, step.codes, step.target / 4, step.target / 4)
    result = measured(less).result()
    assert result["shrinkage"] == pytest.approx(4)
    assert result["norm_ratio"] == pytest.approx(0.25)
    assert result["relative_l1"] == pytest.approx(0.75)
    result = measured(step).result()
    best = float((step.target * step.recon).sum() / step.recon.square().sum())
    assert result["shrinkage"] == pytest.approx(best)
    error = [float((step.target - factor * step.recon).square().sum()) for factor in (best - 0.01, best, best + 0.01)]
    assert error[1] == min(error)


def test_densities_count_features_by_the_logarithm_of_their_rate():
    x = torch.zeros(1_000, 1)
    codes = torch.zeros(1_000, 5)
    codes[:, 0], codes[:100, 1], codes[:101, 2], codes[0, 3] = 1, 1, 1, 1
    quality = measured(Step(x, x, Codes(codes, 5), x, x))
    counts, edges = quality.density(3)
    assert edges.tolist() == pytest.approx([-3, -2, -1, 0])
    assert counts.tolist() == [1, 0, 3], "a tenth lies on the border, and belongs to the bin above"
    assert quality.result()["dense"] == 2
    assert quality.result()["silent"] == 1


def test_figures_are_their_formulas():
    step = steps(40)
    codes, rest = step.codes.values, step.target - step.recon
    quality = measured(step)
    result = quality.result()
    assert result["l0"] == pytest.approx(float((codes > 0).double().sum(1).mean()))
    assert result["silent"] == 1
    assert result["error"] == pytest.approx(float(rest.square().sum(1).mean()) / 2)
    assert result["cosine"] == pytest.approx(float(torch.cosine_similarity(step.target, step.recon).mean()))
    assert result["mean_activity"] == pytest.approx(float(codes.mean()))
    assert result["median_activity"] == pytest.approx(sorted(codes.mean(0).tolist())[F // 2])
    torch.testing.assert_close(quality.rate, (codes > 0).double().mean(0))
    torch.testing.assert_close(quality.mean, codes.mean(0))


def test_the_median_of_an_even_number_of_features_lies_in_the_middle():
    x = torch.zeros(1, 1)
    step = Step(x, x, Codes(torch.tensor([[0.0, 1.0, 2.0, 8.0]]), 4), x, x)
    assert measured(step).result()["median_activity"] == 1.5


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=5), st.booleans(), st.integers(0, 99))
def test_merging_equals_one_pass(sizes: list[int], weighted: bool, seed: int):
    whole = steps(sum(sizes) + 2, seed, weighted)
    merged, start = Quality(), 0
    for size in [*sizes, 2]:
        merged.merge(measured(part(whole, slice(start, start + size))))
        start += size
    once = measured(whole)
    assert merged.result() == pytest.approx(once.result(), rel=1e-12, abs=1e-12)
    torch.testing.assert_close(merged.rate, once.rate, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(merged.mean, once.mean, rtol=1e-12, atol=1e-12)


def test_merging_leaves_the_other_alone():
    other = measured(steps(10))
    before = other.result()
    quality = Quality()
    quality.merge(other)
    quality.merge(Quality())
    quality.update(steps(5, seed=1))
    assert other.result() == before


def test_a_whole_weight_is_that_many_samples():
    step, times = steps(6), torch.tensor([1, 0, 3, 2, 1, 1])
    weighted = Step(step.x, step.target, step.codes, step.logits, step.recon, weight=times)
    rows = torch.arange(6).repeat_interleave(times)
    codes = Codes(step.codes.values[rows], F)
    repeated = Step(step.x[rows], step.target[rows], codes, step.logits[rows], step.recon[rows])
    assert measured(weighted).result() == pytest.approx(measured(repeated).result(), rel=1e-12)
    torch.testing.assert_close(measured(weighted).rate, measured(repeated).rate)
    torch.testing.assert_close(measured(weighted).mean, measured(repeated).mean)


@pytest.mark.parametrize("weighted", [False, True])
def test_ragged_codes_count_like_dense_ones(weighted: bool):
    step = steps(30, weighted=weighted)
    sparse = Step(step.x, step.target, ragged(step.codes.values), step.logits, step.recon, weight=step.weight)
    assert measured(sparse).result() == pytest.approx(measured(step).result(), rel=1e-12)


def test_equal_targets_have_no_explained_variance():
    target = torch.full((7, D), 0.1, dtype=torch.float64)
    step = Step(target, target, Codes(torch.ones(7, F), F), target, target + 1)
    assert math.isnan(measured(step, step).result()["explained_variance"])


def test_a_zero_reconstruction_has_no_direction():
    target = torch.full((4, D), 1e-20)
    step = Step(target, target, Codes(torch.zeros(4, F), F), target, torch.zeros(4, D))
    assert measured(step).result()["cosine"] == 0
    assert measured(Step(target, target, step.codes, target, target)).result()["cosine"] == pytest.approx(1)


def test_gradients_are_left_alone():
    recon = torch.ones(2, D, requires_grad=True)
    codes = Codes(torch.ones(2, F, requires_grad=True), F)
    quality = measured(Step(recon, recon, codes, recon, recon))
    assert not quality.mean.requires_grad


def test_what_does_not_fit_is_named():
    step = steps(4)
    with pytest.raises(SparsightError, match="without samples"):
        Quality().result()
    with pytest.raises(SparsightError, match="cannot be compared"):
        measured(Step(step.x, step.target, step.codes, step.logits, step.recon[:, :1]))
    with pytest.raises(SparsightError, match="one row of codes"):
        measured(Step(step.x, step.target, Codes(torch.ones(3, F), F), step.logits, step.recon))
    with pytest.raises(SparsightError, match="5 features was measured before"):
        measured(step, Step(step.x, step.target, Codes(torch.ones(4, 9), 9), step.logits, step.recon))
