import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from sparsight.errors import SparsightError
from sparsight.meters.probe import probe_error, sparse_probe_error


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x, y = map(torch.from_numpy, load_digits(return_X_y=True))
    return x[:1200], y[:1200], x[1200:], y[1200:]


def clusters(n: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 3
    return 10 * torch.eye(3)[y] + torch.randn(n, 3, generator=generator), y


def test_digits_are_read_from_their_pixels():
    x, y, x_test, y_test = digits()
    assert 0.02 < probe_error(x, y, x_test, y_test) < 0.12


def test_separate_classes_are_read_without_error():
    assert probe_error(*clusters(90, 0), *clusters(60, 1)) == 0


def test_labels_that_say_nothing_are_guessed():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400, 5, generator=generator)
    y = torch.randint(0, 4, (400,), generator=generator)
    assert probe_error(x[:300], y[:300], x[300:], y[300:]) == pytest.approx(0.75, abs=0.12)


def test_the_answer_is_always_the_same():
    assert probe_error(*digits()) == probe_error(*digits())


def test_the_scale_and_offset_of_codes_do_not_matter():
    x, y, x_test, y_test = digits()
    expected = probe_error(x, y, x_test, y_test, c=1.0)
    assert probe_error(x * 1e6, y, x_test * 1e6, y_test, c=1.0) == pytest.approx(expected, abs=0.005)
    assert probe_error(x * 1e-6 + 3, y, x_test * 1e-6 + 3, y_test, c=1.0) == pytest.approx(expected, abs=0.005)


def test_features_are_scaled_by_one_common_factor():
    x, y, x_test, y_test = digits()
    scale = float((x - x.mean(0)).square().mean().sqrt())
    model = LogisticRegression(C=0.1, tol=1e-6, max_iter=5000).fit(x / scale, y)
    expected = float((torch.from_numpy(model.predict(x_test / scale)) != y_test).double().mean())
    assert probe_error(x, y, x_test, y_test, c=0.1) == pytest.approx(expected, abs=0.005)


def test_a_slow_solver_says_nothing():
    # Warnings are errors here: without regularisation on separate classes, the solver never ends by itself.
    x, y, x_test, y_test = digits()
    assert probe_error(x, y, x_test, y_test, c=1e12) < 0.2


def test_one_class_and_few_samples_are_answered():
    x = torch.ones(3, 2)
    assert probe_error(x, torch.tensor([4, 4, 4]), x, torch.tensor([4, 4, 5])) == pytest.approx(1 / 3)
    assert probe_error(torch.zeros(2, 2), torch.tensor([0, 1]), x * 0, torch.tensor([0, 0, 0])) in (0, 1)
    one_of_a_kind = torch.tensor([0] * 9 + [1])
    assert probe_error(torch.randn(10, 2), one_of_a_kind, torch.randn(10, 2), one_of_a_kind) <= 1


def test_what_does_not_fit_is_named():
    x, y = clusters(9, 0)
    with pytest.raises(SparsightError, match="one label each"):
        probe_error(x, y[:5], x, y)
    with pytest.raises(SparsightError, match="3 features but test codes 2"):
        probe_error(x, y, x[:, :2], y)
    with pytest.raises(SparsightError, match="NaN or infinity"):
        probe_error(x, y, x / 0, y)
    with pytest.raises(SparsightError, match="above 0"):
        probe_error(x, y, x, y, c=0)


def test_one_feature_that_is_the_class_is_enough() -> None:
    dice = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (600,), generator=dice)
    codes = torch.rand(600, 8, generator=dice)
    codes[:, :3] += 3.0 * torch.nn.functional.one_hot(labels, 3)
    train, test = slice(0, 300), slice(300, 600)
    assert sparse_probe_error(codes[train], labels[train], codes[test], labels[test]) == 0


def test_k_features_are_chosen_by_the_difference_of_their_means() -> None:
    dice = torch.Generator().manual_seed(0)
    labels = (torch.rand(4_000, generator=dice) < 0.1).long()
    codes = 0.1 * torch.randn(4_000, 6, generator=dice)
    codes[:, 4] += (labels == 1) * (
        torch.rand(4_000, generator=dice) < 0.8
    )  # one half of the class each, and then some
    codes[:, 2] += (labels == 1) * (codes[:, 4] < 0.5)
    train, test = slice(0, 2_000), slice(2_000, 4_000)
    one, two, all_of_them = (
        sparse_probe_error(codes[train], labels[train], codes[test], labels[test], k=k) for k in (1, 2, 6)
    )
    assert one == pytest.approx(0.1, abs=0.02), "a fifth of the class is missed, and hardly any of the others"
    assert two < 0.01
    assert all_of_them < 0.01


def test_shuffled_labels_leave_a_sparse_probe_at_its_null() -> None:
    dice = torch.Generator().manual_seed(0)
    labels, codes = (torch.rand(6_000, generator=dice) < 0.1).long(), torch.rand(6_000, 5, generator=dice)
    found = sparse_probe_error(codes[:3_000], labels[:3_000], codes[3_000:], labels[3_000:])
    assert found == pytest.approx(0.5, abs=0.05)


def test_what_a_sparse_probe_cannot_do_is_said() -> None:
    codes, labels = torch.rand(6, 2), torch.tensor([0, 1, 0, 1, 0, 1])
    with pytest.raises(SparsightError, match="k is 3: choose from 1 to the number of features, 2"):
        sparse_probe_error(codes, labels, codes, labels, k=3)
    with pytest.raises(SparsightError, match="fewer than two classes"):
        sparse_probe_error(codes, labels, codes, torch.ones(6, dtype=torch.long))
