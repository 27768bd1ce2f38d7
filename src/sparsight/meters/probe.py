"""Whether labels can be read from codes by a line."""

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsight.errors import SparsightError
from sparsight.meters.moments import precise

GRID = (0.01, 0.1, 1.0, 10.0, 100.0)
"""The regularisation, from strong to weak, that is tried where none is given."""
HELD_BACK = 0.2
"""The share of the training samples on which it is chosen."""
ITERATIONS = 300


def probe_error(
    train_codes: Tensor, train_labels: Tensor, test_codes: Tensor, test_labels: Tensor, *, c: float | None = None
) -> float:
    """The share of test samples that a multinomial logistic regression on the codes gets wrong, 0 to 1.

    It minimises Σ_b −log p(label_b | codes_b / s) + ‖W‖² / 2c, with one factor s for all features: the root mean square
    of the training codes about their means. A factor for each would blow up those that hardly ever fire. Raw MNIST
    pixels have .09, good codes of them .048 with 10,000 labels.

    Args:
        train_codes: [n, F].
        train_labels: [n], whole numbers.
        test_codes: [m, F].
        test_labels: [m].
        c: inverse strength of the regularisation; by default, the best of five from .01 to 100 on a fifth of the
            training samples, which is always the same fifth.

    Raises:
        SparsightError: codes and labels do not belong together, or codes are not finite.
    """
    return float(probe_misses(train_codes, train_labels, test_codes, test_labels, c=c).mean())


def probe_misses(
    train_codes: Tensor, train_labels: Tensor, test_codes: Tensor, test_labels: Tensor, *, c: float | None = None
) -> np.ndarray:
    """Which test samples that regression gets wrong, [m], bool: `probe_error` is their share, with the same arguments.

    Raises:
        SparsightError: as `probe_error`.
    """
    x, y, x_test, y_test = _both(train_codes, train_labels, test_codes, test_labels)
    if c is not None and not c > 0:
        raise SparsightError(f"c is {c}: the inverse strength of a regularisation is above 0")
    # The intercept is free, so centring changes no answer; it only makes the solver's path shorter.
    centre = x.mean(0)
    scale = float(np.sqrt(np.square(x - centre).mean())) or 1.0
    x, x_test = (x - centre) / scale, (x_test - centre) / scale
    return _misses(_fit(x, y, _choose(x, y) if c is None else c), x_test, y_test, y)


def sparse_probe_error(
    train_codes: Tensor, train_labels: Tensor, test_codes: Tensor, test_labels: Tensor, *, k: int = 1
) -> float:
    """The balanced error of telling each class from all others by k features, averaged over classes, 0 to 1.

    For each class, the k features with the largest |E[ codes | class ] − E[ codes | others ]| in the training samples,
    and a logistic regression on them in which both sides weigh the same (Gurnee et al. 2023). The balanced error is
    ½ P(wrong | class) + ½ P(wrong | others), of the test samples. Null: .5, whatever the classes' sizes.

    Args:
        train_codes: [n, F].
        train_labels: [n], whole numbers.
        test_codes: [m, F].
        test_labels: [m].
        k: 1 asks whether a feature is the class.

    Raises:
        SparsightError: codes and labels do not belong together, codes are not finite, there are fewer features than k,
            or there are not two classes that both training and test samples have.
    """
    x, y, x_test, y_test = _both(train_codes, train_labels, test_codes, test_labels)
    if not 1 <= k <= x.shape[1]:
        raise SparsightError(f"k is {k}: choose from 1 to the number of features, {x.shape[1]}")
    classes = np.intersect1d(y, y_test)
    if len(classes) < 2:
        raise SparsightError("training and test samples share fewer than two classes: there is nothing to tell apart")
    errors = []
    for one in classes:
        inside, outside = y == one, y_test == one
        apart = np.abs(x[inside].mean(0) - x[~inside].mean(0))
        chosen = np.argsort(-apart, kind="stable")[:k]
        scale = float(x[:, chosen].std()) or 1.0
        model = _fit(x[:, chosen] / scale, inside, 1.0, balanced=True)
        wrong = model.predict(x_test[:, chosen] / scale) != outside
        errors.append((wrong[outside].mean() + wrong[~outside].mean()) / 2)
    return float(np.mean(errors))


def _both(
    train_codes: Tensor, train_labels: Tensor, test_codes: Tensor, test_labels: Tensor
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    x, y = _arrays(train_codes, train_labels, "training")
    x_test, y_test = _arrays(test_codes, test_labels, "test")
    if x.shape[1] != x_test.shape[1]:
        raise SparsightError(f"training codes have {x.shape[1]} features but test codes {x_test.shape[1]}")
    return x, y, x_test, y_test


def _arrays(codes: Tensor, labels: Tensor, which: str) -> tuple[np.ndarray, np.ndarray]:
    if codes.ndim != 2 or labels.shape != codes.shape[:1] or not codes.numel():
        raise SparsightError(
            f"{which} codes of shape {tuple(codes.shape)} and labels of {tuple(labels.shape)} are not samples with one "
            "label each"
        )
    if not codes.isfinite().all():
        raise SparsightError(f"{which} codes hold NaN or infinity: a probe cannot be fitted to them")
    return precise(codes).cpu().numpy(), labels.detach().cpu().numpy()


def _choose(x: np.ndarray, y: np.ndarray) -> float:
    """The regularisation with the fewest errors on samples held back; the strongest of equals."""
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0)).numpy()
    back = order[: int(len(x) * HELD_BACK)]
    kept = order[len(back) :]
    if not len(back):
        return 1.0
    start = None
    errors = []
    for c in GRID:
        start = _fit(x[kept], y[kept], c, start)
        errors.append(_misses(start, x[back], y[back], y[kept]).mean())
    return GRID[int(np.argmin(errors))]


def _fit(x: np.ndarray, y: np.ndarray, c: float, start: Any = None, *, balanced: bool = False) -> Any:
    """The regression, from where another one ended; None where there is one class only and nothing to learn."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if (y == y[0]).all():
        return None
    model: Any = LogisticRegression(
        C=c,
        solver="lbfgs",
        tol=1e-3,
        max_iter=ITERATIONS,
        warm_start=True,
        class_weight="balanced" if balanced else None,
    )
    if start is not None:
        model.coef_, model.intercept_, model.classes_ = start.coef_.copy(), start.intercept_.copy(), start.classes_
    with warnings.catch_warnings():
        # Long before the last iteration, steps no longer change the error rate.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(x, y)


def _misses(model: Any, x: np.ndarray, y: np.ndarray, seen: np.ndarray) -> np.ndarray:
    return (seen[0] if model is None else model.predict(x)) != y
