import math
import time

import numpy as np
import pytest
import torch
from torch import Tensor

from sparsight.errors import SparsightError
from sparsight.meters import gabor
from sparsight.meters.gabor import fit_gabor

SIZE = (28, 28)


def draw(n: int, size: tuple[int, int] = SIZE, seed: int = 0) -> tuple[Tensor, dict[str, Tensor]]:
    """Gabor functions well inside the picture, with their parameters."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, generator=generator, dtype=torch.float64)

    true = {
        "x0": uniform(0.3, 0.7) * size[1],
        "y0": uniform(0.3, 0.7) * size[0],
        "orientation": uniform(0, math.pi),
        "frequency": uniform(math.log(0.1), math.log(0.3)).exp(),
        "phase": uniform(-3, 3),
        "sigma_x": uniform(2, 4),
        "sigma_y": uniform(2, 5),
        "amplitude": uniform(0.5, 2),
    }
    return picture(true, size), true


def picture(p: dict[str, Tensor], size: tuple[int, int]) -> Tensor:
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    q = {name: value[:, None, None] for name, value in p.items()}
    u = (x - q["x0"]) * q["orientation"].cos() + (y - q["y0"]) * q["orientation"].sin()
    v = (y - q["y0"]) * q["orientation"].cos() - (x - q["x0"]) * q["orientation"].sin()
    envelope = torch.exp(-0.5 * ((u / q["sigma_x"]).square() + (v / q["sigma_y"]).square()))
    wave = torch.cos(2 * math.pi * q["frequency"] * u + q["phase"])
    return (q["amplitude"] * envelope * wave).flatten(1)


def noise(n: int, d: int = 784, seed: int = 1) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def noisy(n: int) -> Tensor:
    w, _ = draw(n)
    return w / w.norm(dim=1, keepdim=True) + 0.3 * noise(n) / 28


def smooth(n: int) -> Tensor:
    f = torch.fft.fftfreq(28, dtype=torch.float64)
    kept = torch.exp(-(f[:, None].square() + f.square()) / 0.01)
    return torch.fft.ifft2(torch.fft.fft2(noise(n).unflatten(1, SIZE)) * kept).real.flatten(1)


def windowed(n: int) -> Tensor:
    """Digits, enlarged, under Gaussian windows: what pen strokes look like."""
    from sklearn.datasets import load_digits

    digits = torch.from_numpy(load_digits(return_X_y=True)[0])[:n].view(n, 1, 8, 8)
    large = torch.nn.functional.interpolate(digits, size=SIZE, mode="bicubic", align_corners=False)[:, 0].clamp_min(0)
    at = (large.flatten(1) ** 2).multinomial(1, generator=torch.Generator().manual_seed(0)).squeeze(1)
    axis = torch.arange(28)
    rows = torch.exp(-((axis - (at // 28)[:, None]) ** 2) / 18)
    columns = torch.exp(-((axis - (at % 28)[:, None]) ** 2) / 18)
    return (large * rows[:, :, None] * columns[:, None, :]).flatten(1)


@pytest.mark.parametrize("size", [SIZE, (20, 32)])
def test_an_ideal_gabor_is_recovered_with_its_parameters(size: tuple[int, int]):
    w, true = draw(40, size)
    found = fit_gabor(w, size)
    assert found.r2.min() > 1 - 1e-6
    for name, value in true.items():
        difference = getattr(found, name) - value
        if name in ("orientation", "phase"):
            # Where the direction crosses from π to 0, the phase changes its sign: the pictures below must agree.
            continue
        assert difference.abs().max() < 0.02, name
    near = (found.orientation - true["orientation"]).remainder(math.pi)
    assert torch.minimum(near, math.pi - near).max() < 0.01
    rebuilt = picture({name: getattr(found, name) for name in true}, size)
    torch.testing.assert_close(rebuilt, w, atol=2e-3, rtol=0)


def test_parameters_have_their_ranges():
    found = fit_gabor(torch.cat([noise(12), noisy(12), smooth(12)]), SIZE)
    assert ((found.orientation >= 0) & (found.orientation < math.pi)).all()
    assert ((found.frequency > 0) & (found.frequency <= 0.5 + 1e-12)).all()
    assert (found.phase.abs() <= math.pi).all()
    assert (found.amplitude >= 0).all()
    assert ((found.r2 >= 0) & (found.r2 <= 1)).all()


def test_r2_is_what_the_parameters_explain():
    w = torch.cat([noisy(6), smooth(6), noise(6)])
    found = fit_gabor(w, SIZE)
    names = ("x0", "y0", "orientation", "frequency", "phase", "sigma_x", "sigma_y", "amplitude")
    rest = w - picture({name: getattr(found, name) for name in names}, SIZE)
    torch.testing.assert_close(1 - rest.square().sum(1) / w.square().sum(1), found.r2, atol=1e-6, rtol=0)


def test_noise_is_no_gabor():
    assert fit_gabor(noise(20), SIZE).r2.median() < 0.04
    # The variance of the noise is .09 of the signal's.
    assert fit_gabor(noisy(20), SIZE).r2.median().item() == pytest.approx(1 / 1.09, abs=0.02)


def test_only_the_amplitude_depends_on_scale():
    w = noisy(4)
    one, other = fit_gabor(w, SIZE), fit_gabor(w * 1e-30, SIZE)
    torch.testing.assert_close(other.r2, one.r2)
    torch.testing.assert_close(other.amplitude * 1e30, one.amplitude, rtol=1e-4, atol=0)
    torch.testing.assert_close(other.x0, one.x0, rtol=1e-4, atol=1e-4)


def test_a_gabor_in_one_colour_is_as_good_as_in_grey():
    w, _ = draw(5)
    colour = torch.tensor([0.2, -0.5, 1.0])
    coloured = (w[:, :, None] * colour).flatten(1)
    assert fit_gabor(coloured, (*SIZE, 3)).r2.min() > 1 - 1e-6
    red_only = torch.stack([w, noise(5) * w.norm(dim=1, keepdim=True) / 28 * 0.5, 0 * w], dim=2).flatten(1)
    assert fit_gabor(red_only, (*SIZE, 3)).r2.median().item() == pytest.approx(1 / 1.25, abs=0.03)


def test_filters_do_not_depend_on_each_other():
    w = torch.cat([noisy(3), smooth(3)])
    together = fit_gabor(w, SIZE).r2
    alone = torch.cat([fit_gabor(row[None], SIZE).r2 for row in w])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_a_zero_filter_has_no_fit():
    w = torch.cat([noisy(1), torch.zeros(1, 784, dtype=torch.float64)])
    found = fit_gabor(w, SIZE)
    assert found.r2.isnan().tolist() == [False, True]
    assert found.amplitude.isnan().tolist() == [False, True]
    assert fit_gabor(w[1:], SIZE).r2.isnan().all()
    assert len(fit_gabor(w[:0], SIZE).r2) == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 2)])
def test_small_and_constant_pictures_do_no_harm(size: tuple[int, int]):
    w = torch.cat([torch.ones(1, math.prod(size), dtype=torch.float64), noise(3, math.prod(size))])
    r2 = fit_gabor(w, size).r2
    assert r2.isfinite().all()
    assert r2[0] > 0.9


def test_a_wrong_shape_is_named():
    with pytest.raises(SparsightError, match="784 inputs"):
        fit_gabor(noise(2), (28, 27))


def test_the_gradient_is_that_of_what_is_explained():
    w = noisy(5)
    problem = gabor._Problem(w, SIZE)
    p = problem.clamp(gabor._starts(problem))[:, 0] + 0.05
    gradient = problem.evaluate(p, w)[3]
    for j in range(6):
        shift = torch.zeros(6, dtype=torch.float64)
        shift[j] = 1e-5
        slope = (problem.evaluate(p + shift, w)[0] - problem.evaluate(p - shift, w)[0]) / 2e-5
        torch.testing.assert_close(gradient[:, j], slope / 2, atol=1e-6, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [noisy, windowed, smooth])
def test_fits_are_as_good_as_those_of_scipy_from_the_same_starts(kind):
    from scipy.optimize import least_squares

    w = kind(20)
    w = w / w.norm(dim=1, keepdim=True)
    problem = gabor._Problem(w, SIZE)
    starts = problem.clamp(gabor._starts(problem)).numpy()
    low, high = (
        np.append(bound.numpy(), [end, end]) for bound, end in ((problem.low, -np.inf), (problem.high, np.inf))
    )
    y, x = np.mgrid[:28, :28].reshape(2, -1)

    def waves(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        u = (x - p[0]) * np.cos(p[2]) + (y - p[1]) * np.sin(p[2])
        v = (y - p[1]) * np.cos(p[2]) - (x - p[0]) * np.sin(p[2])
        envelope = np.exp(-0.5 * ((u / np.exp(p[4])) ** 2 + (v / np.exp(p[5])) ** 2))
        return envelope * np.cos(2 * np.pi * np.exp(p[3]) * u), envelope * np.sin(2 * np.pi * np.exp(p[3]) * u)

    def explained(start: np.ndarray, filter: np.ndarray) -> float:
        def residual(p: np.ndarray) -> np.ndarray:
            even, odd = waves(p)
            return p[6] * even + p[7] * odd - filter

        linear = np.linalg.lstsq(np.stack(waves(start), axis=1), filter, rcond=None)[0]
        first = np.clip(np.append(start, linear), low + 1e-9, high - 1e-9)
        return 1 - 2 * least_squares(residual, first, bounds=(low, high), x_scale="jac", max_nfev=100).cost

    theirs = np.array(
        [max(explained(start, row) for start in rows) for rows, row in zip(starts, w.numpy(), strict=True)]
    )
    ours = fit_gabor(w, SIZE).r2.numpy()
    assert ours.mean() >= theirs.mean() - 1e-4
    assert np.mean(ours < theirs - 1e-3) <= 0.05


@pytest.mark.slow
def test_a_filter_takes_less_than_a_twentieth_of_a_second():
    w = torch.cat([noisy(20), windowed(20), smooth(20)])
    start = time.process_time()
    fit_gabor(w, SIZE)
    assert (time.process_time() - start) / len(w) < 0.05
