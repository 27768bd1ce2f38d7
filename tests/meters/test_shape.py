import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from torch import Tensor

from sparsight.errors import SparsightError
from sparsight.meters import shape as meters

SIZE = (28, 28)
PICTURE_MEASURES = (
    meters.moran,
    meters.total_variation,
    meters.low_frequency_share,
    meters.rms_radius,
    meters.elongation,
)
VECTOR_MEASURES = (meters.participation_ratio, meters.max_cosine, meters.hoyer, meters.gini)


def noise(n: int, d: int = 784, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pixels(*at: tuple[int, int], size: tuple[int, int] = SIZE) -> Tensor:
    picture = torch.zeros(size, dtype=torch.float64)
    for row, column in at:
        picture[row, column] = 1
    return picture.flatten()[None]


def checkerboard(height: int, width: int) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return ((-1.0) ** (rows + columns)).flatten()[None]


def strokes(n: int = 40, long: float = 4.0, thin: float = 1.2) -> Tensor:
    """Gaussian blobs three times as long as thin, in all directions."""
    y, x = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    angle = torch.linspace(0, math.pi, n)[:, None, None]
    u = (x - 13.5) * angle.cos() + (y - 13.5) * angle.sin()
    v = (y - 13.5) * angle.cos() - (x - 13.5) * angle.sin()
    return torch.exp(-(u.square() / (2 * long**2)) - v.square() / (2 * thin**2)).flatten(1)


def median(values: Tensor) -> float:
    return float(values.median())


def test_white_noise_has_its_calibrated_values():
    w = noise(200)
    assert median(meters.moran(w, SIZE)) == pytest.approx(0, abs=0.01)
    assert median(meters.total_variation(w, SIZE)) == pytest.approx(1.92, abs=0.02)
    assert median(meters.low_frequency_share(w, SIZE)) == pytest.approx(0.05, abs=0.01)
    assert median(meters.participation_ratio(w)) == pytest.approx(0.335, abs=0.01)
    assert median(meters.rms_radius(w, SIZE)) == pytest.approx(11.4, abs=0.1)
    assert median(meters.max_cosine(w)) == pytest.approx(0.10, abs=0.01)
    assert median(meters.hoyer(w)) == pytest.approx(0.21, abs=0.01)
    assert median(meters.elongation(w, SIZE)) == pytest.approx(1.05, abs=0.05)


def test_digits_are_smoother_and_sparser_than_noise():
    w, size = torch.from_numpy(load_digits(return_X_y=True)[0])[:200], (8, 8)
    null = noise(200, 64)
    assert median(meters.moran(w, size)) > 0.3 > median(meters.moran(null, size)) + 0.2
    assert median(meters.total_variation(w, size)) < 0.8 * median(meters.total_variation(null, size))
    assert median(meters.max_cosine(w)) > 0.9 > median(meters.max_cosine(null))
    assert median(meters.hoyer(w)) > median(meters.hoyer(null))
    assert median(meters.gini(w)) > median(meters.gini(null))


def test_moran_of_a_checkerboard_is_minus_one():
    assert meters.moran(checkerboard(6, 8), (6, 8)).item() == pytest.approx(-1)


def test_total_variation_of_a_checkerboard_counts_every_pair():
    pairs = 6 * 7 + 5 * 8
    assert meters.total_variation(checkerboard(6, 8), (6, 8)).item() == pytest.approx(4 * pairs / (2 * 48))


def test_low_frequencies_end_at_an_eighth_of_a_cycle_per_pixel():
    x = torch.arange(32.0)
    waves = torch.stack([torch.cos(2 * math.pi * cycles / 32 * x).expand(16, 32).flatten() for cycles in (4, 5)])
    assert meters.low_frequency_share(waves, (16, 32)).tolist() == pytest.approx([1, 0], abs=1e-12)


def test_one_pixel_is_a_dot():
    w = pixels((3, 5))
    assert meters.participation_ratio(w).item() == pytest.approx(1 / 784)
    assert meters.rms_radius(w, SIZE).item() == pytest.approx(0, abs=1e-6)
    assert meters.elongation(w, SIZE).item() == 1
    assert meters.hoyer(w).item() == pytest.approx(1)
    assert meters.gini(w).item() == pytest.approx(1 - 1 / 784)


@pytest.mark.parametrize("ends", [((3, 5), (3, 6)), ((3, 5), (4, 5)), ((20, 7), (21, 8)), ((1, 26), (2, 25))])
def test_a_line_of_two_pixels_is_infinitely_long(ends: tuple[tuple[int, int], tuple[int, int]]):
    w = pixels(*ends)
    assert meters.participation_ratio(w).item() == pytest.approx(2 / 784)
    assert meters.rms_radius(w, SIZE).item() == pytest.approx(math.dist(*ends) / 2)
    assert meters.elongation(w, SIZE).item() == math.inf


def test_elongation_is_the_ratio_of_the_axes_in_every_direction():
    assert meters.elongation(strokes(long=4, thin=2), SIZE).tolist() == pytest.approx([2] * 40, rel=0.01)
    assert meters.elongation(strokes(long=2, thin=2), SIZE).tolist() == pytest.approx([1] * 40, rel=1e-6)


def test_a_stroke_is_smooth_and_small():
    w = strokes()
    assert median(meters.moran(w, SIZE)) > 0.75
    assert median(meters.participation_ratio(w)) < 0.08
    assert median(meters.rms_radius(w, SIZE)) < 5


def test_flat_vectors_have_no_sparsity():
    w = torch.tensor([[1.0, -1, 1, 1]])
    assert meters.hoyer(w).item() == pytest.approx(0)
    assert meters.gini(w).item() == pytest.approx(0)
    assert meters.participation_ratio(w).item() == pytest.approx(1)


def test_gini_of_a_ramp():
    assert meters.gini(torch.tensor([[3.0, 1, 2, 4]])).item() == pytest.approx(0.25)


def test_dead_inputs_are_those_that_hardly_vary():
    w = torch.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, 2.0]])
    std = torch.tensor([0.01, 0.5, 0.03])
    assert meters.dead_input_energy(w, std).tolist() == pytest.approx([9 / 25, 0])
    assert meters.dead_input_energy(w, std, below=0.6).tolist() == pytest.approx([1, 1])


def test_max_cosine_finds_the_nearest_other_filter(monkeypatch: pytest.MonkeyPatch):
    w = torch.cat([noise(20, 9), torch.zeros(1, 9, dtype=torch.float64)])
    w[17] = -3 * w[2]
    unit = w[:20] / w[:20].norm(dim=1, keepdim=True)
    expected = (unit @ unit.T).abs().fill_diagonal_(0).amax(1)
    monkeypatch.setattr(meters, "BLOCK", 7)
    found = meters.max_cosine(w)
    torch.testing.assert_close(found[:20], expected)
    assert found[2].item() == pytest.approx(1)
    assert found[20].isnan()
    assert meters.max_cosine(w[:1]).isnan().all()


def test_what_is_not_defined_is_nan():
    zero, constant = torch.zeros(1, 784), torch.full((1, 784), 0.1)
    for measure in PICTURE_MEASURES:
        assert measure(zero, SIZE).isnan().all()
    for measure in VECTOR_MEASURES:
        assert measure(zero).isnan().all()
    assert meters.dead_input_energy(zero, torch.zeros(784)).isnan().all()
    for measure in (meters.moran, meters.total_variation, meters.low_frequency_share):
        assert measure(constant, SIZE).isnan().all()
    assert meters.elongation(constant, SIZE).item() == pytest.approx(1)


@settings(deadline=None, max_examples=30)
@given(st.floats(-200, 150), st.integers(0, 5))
def test_no_measure_depends_on_scale_or_sign(power: float, seed: int):
    w = noise(4, 48, seed)
    for measure in PICTURE_MEASURES:
        torch.testing.assert_close(measure(-w * 10.0**power, (6, 8)), measure(w, (6, 8)))
    for measure in VECTOR_MEASURES:
        torch.testing.assert_close(measure(-w * 10.0**power), measure(w))


@pytest.mark.parametrize("measure", PICTURE_MEASURES)
def test_an_empty_or_equal_channel_changes_nothing(measure):
    w = noise(5, 48).unflatten(1, (6, 8, 1))
    expected = measure(w.flatten(1), (6, 8))
    empty = torch.cat([w, torch.zeros_like(w)], dim=3).flatten(1)
    equal = torch.cat([w, -w, 2 * w], dim=3).flatten(1)
    torch.testing.assert_close(measure(empty, (6, 8, 2)), expected)
    torch.testing.assert_close(measure(equal, (6, 8, 3)), expected)


@pytest.mark.parametrize("shape", [(6, 9), (48,), (6, 8, 2), (2, 2, 2, 6), (-6, -8)])
def test_a_wrong_shape_is_named(shape: tuple[int, ...]):
    with pytest.raises(SparsightError, match=r"shape"):
        meters.moran(noise(2, 48), shape)


def test_wrong_filters_and_spreads_are_named():
    with pytest.raises(SparsightError, match="one row per feature"):
        meters.hoyer(torch.ones(5))
    with pytest.raises(SparsightError, match="3 inputs"):
        meters.dead_input_energy(torch.ones(2, 3), torch.ones(4))
