import pickle
import signal
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from sparsight import recipes
from sparsight.architectures.topk import topk
from sparsight.errors import SparsightError
from sparsight.estimator import SparseAutoencoder
from sparsight.job import digest
from sparsight.trainer import Trainer

DIGITS: Any = load_digits()
X, y = DIGITS.data[:400].astype(np.float32), DIGITS.target[:400]


def small(**given: Any) -> SparseAutoencoder:
    return SparseAutoencoder(**{"n_components": 32, "max_epochs": 10, "random_state": 0, "shape": (8, 8), **given})


@pytest.fixture(scope="module")
def fitted() -> SparseAutoencoder:
    return small(max_epochs=60).fit(X)


@parametrize_with_checks([SparseAutoencoder(max_epochs=10, device="cpu")])
def test_it_passes_every_check_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("shape", [None, (8, 8)])
def test_it_explains_digits_that_it_was_not_trained_on(shape: tuple[int, int] | None) -> None:
    estimator = SparseAutoencoder(64, shape=shape, random_state=0).fit(DIGITS.data[:1437])
    assert estimator.score(DIGITS.data[1437:]) > 0.75
    assert np.count_nonzero(estimator.transform(DIGITS.data[1437:]), axis=1).max() <= 8


def test_the_score_is_the_explained_variance_in_the_units_of_the_data(fitted: SparseAutoencoder) -> None:
    varied = X + np.random.default_rng(0).normal(size=X.shape).astype(np.float32)  # r2_score skips constant columns
    wanted = r2_score(varied.astype(np.float64), fitted.reconstruct(varied), multioutput="variance_weighted")
    assert fitted.score(varied) == pytest.approx(wanted, abs=1e-5)


def test_reconstruct_is_inverse_transform_of_transform(fitted: SparseAutoencoder) -> None:
    codes = fitted.transform(X)
    np.testing.assert_allclose(fitted.reconstruct(X), fitted.inverse_transform(codes), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(fitted.inverse_transform(sp.csr_array(codes)), fitted.inverse_transform(codes))


def test_components_are_what_a_code_adds_to_the_data(fitted: SparseAutoencoder) -> None:
    nothing, one = np.zeros((1, 32)), np.zeros((1, 32))
    one[0, 5] = 2.0
    added = fitted.inverse_transform(one) - fitted.inverse_transform(nothing)
    np.testing.assert_allclose(added[0], 2 * fitted.components_[5], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["components_", "encoder_components_", "encoder_bias_", "decoder_bias_"])
def test_what_was_read_stays_as_it_was_when_training_goes_on(name: str) -> None:
    estimator = SparseAutoencoder(20, recipe="ufldl", max_epochs=1, random_state=0).fit(X / 16)
    read = getattr(estimator, name)
    before = read.copy()
    estimator.partial_fit(X / 16)
    np.testing.assert_array_equal(read, before)
    assert not np.array_equal(getattr(estimator, name), before)


def test_sparse_and_dense_codes_and_data_are_the_same(fitted: SparseAutoencoder) -> None:
    estimator = small(max_epochs=60, sparse_output=True).fit(sp.csr_array(X))
    codes = estimator.transform(sp.csr_array(X))
    assert sp.issparse(codes)
    np.testing.assert_array_equal(codes.toarray(), fitted.transform(X))


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(fitted: SparseAutoencoder) -> None:
    assert digest(small(max_epochs=60).fit(X).sae_) == digest(fitted.sae_)
    assert digest(small(random_state=1).fit(X).sae_) != digest(fitted.sae_)


def test_a_pickle_gives_the_same_bits_and_goes_on_training(fitted: SparseAutoencoder) -> None:
    again, other = (pickle.loads(pickle.dumps(fitted)) for _ in range(2))
    np.testing.assert_array_equal(again.transform(X), fitted.transform(X))
    assert digest(again.partial_fit(X).sae_) == digest(other.partial_fit(X).sae_) != digest(fitted.sae_)


def test_a_grid_search_reaches_the_knobs_of_an_architecture() -> None:
    pipeline: Any = make_pipeline(small(architecture=topk(), max_epochs=3), LogisticRegression(max_iter=2000))
    grid = {"sparseautoencoder__architecture__k": np.array([2, 8])}
    search = GridSearchCV(pipeline, grid, cv=2).fit(X / 16, y)
    assert search.best_score_ > 0.5
    ks = {
        cast(Any, clone(pipeline)).set_params(**params)[0].architecture.get_params()["k"]
        for params in search.cv_results_["params"]
    }
    assert ks == {2, 8}
    assert pipeline[0].architecture.get_params()["k"] is None, "a search leaves the original as it was"


def test_set_output_gives_pandas_and_polars(fitted: SparseAutoencoder) -> None:
    fresh: Any = clone(fitted)
    table = fresh.set_output(transform="pandas").fit(X).transform(X)
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns[:2]) == ["sparseautoencoder0", "sparseautoencoder1"]
    assert isinstance(fresh.set_output(transform="polars").fit(X).transform(X), pl.DataFrame)


def test_a_weight_of_two_is_the_sample_twice() -> None:
    few = X[:60].astype(np.float64)
    weight = np.arange(60) % 3
    weighted = small(max_epochs=60).fit(few, sample_weight=weight)
    repeated = small(max_epochs=60).fit(few.repeat(weight, axis=0))
    assert digest(weighted.sae_) == digest(repeated.sae_)


def test_partial_fit_learns_at_a_constant_rate() -> None:
    estimator = small(learning_rate=2e-3, batch_size=50)
    scores, rates = [], set()
    for _ in range(15):
        estimator.partial_fit(X)
        scores.append(estimator.score(X))
        rates |= {group["lr"] for group in estimator._trainer.optimizer.param_groups}
    assert scores[-1] > scores[0] + 0.05
    assert rates == {2e-3}


def test_partial_fit_takes_a_step_for_every_batch_whatever_came_before() -> None:
    estimator = small(batch_size=50)
    steps = [estimator.partial_fit(X[:n])._trainer.number for n in (10, 200, 120)]
    assert steps == [1, 1 + 4, 1 + 4 + 3]
    assert small(batch_size=50).fit(X[:20]).partial_fit(X)._trainer.batch_size == 50
    whole = SparseAutoencoder(20, recipe="ufldl", random_state=0)
    assert [whole.partial_fit(X[:n] / 16)._trainer.number for n in (50, 200)] == [1, 2]


def test_rows_without_weight_are_not_there_in_partial_fit() -> None:
    weight = np.arange(len(X)) < 300
    weighted = small().partial_fit(X, sample_weight=weight.astype(float))
    assert digest(weighted.sae_) == digest(small().partial_fit(X[:300], sample_weight=np.ones(300)).sae_)
    with pytest.raises(ValueError, match="Negative values"):
        weighted.partial_fit(X, sample_weight=-np.ones(len(X)))


def test_ctrl_c_goes_through_and_what_was_learned_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Trainer.step

    def pressed(self: Trainer, *args: Any, **given: Any) -> None:
        step(self, *args, **given)
        if self.number == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Trainer, "step", pressed)
    estimator = small()
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X)
    assert estimator._trainer.number == 3
    assert estimator.transform(X).shape == (400, 32)


def test_a_grid_search_takes_the_numbers_of_numpy() -> None:
    grid = {
        "batch_size": np.array([64, 128]),
        "learning_rate": np.array([1e-3], np.float32),
        "n_components": [np.int64(8)],
    }
    search = GridSearchCV(cast(Any, small(max_epochs=2)), grid, cv=2, error_score=cast(Any, "raise")).fit(X)
    assert search.best_params_["batch_size"] in (64, 128)


def test_columns_of_a_data_frame_name_the_inputs_of_the_model() -> None:
    names = [f"column {n}" for n in range(64)]
    for frame in (pd.DataFrame(X, columns=pd.Index(names)), pl.DataFrame(X, schema=names)):
        assert small(max_epochs=1).fit(frame).sae_.schema.names == tuple(names)
    assert small(max_epochs=1).fit(X).sae_.schema.names is None


def test_a_recipe_is_a_name_a_file_or_a_mapping() -> None:
    path = Path(recipes.__file__).parent / "strokes.toml"
    found = {digest(small(recipe=r).fit(X).sae_) for r in ("strokes", str(path), path, recipes.read("strokes"))}
    assert len(found) == 1


def test_there_is_no_noise_outside_training() -> None:
    estimator = small(recipe="ksparse", architecture_params={"k": 5, "k_start": 10}, max_epochs=5).fit(X / 16)
    np.testing.assert_array_equal(estimator.transform(X / 16), estimator.transform(X / 16))
    noisy = SparseAutoencoder(20, recipe="denoising", max_epochs=5, random_state=0).fit(X / 16)
    np.testing.assert_array_equal(noisy.transform(X / 16), noisy.transform(X / 16))
    assert noisy.objective(X / 16) == noisy.objective(X / 16)


def test_the_objective_does_not_depend_on_how_many_samples_there_are(fitted: SparseAutoencoder) -> None:
    once, twice = fitted.objective(X), fitted.objective(np.concatenate([X, X]))
    assert set(once) >= {"squared_error", "smoothness.encoder", "total"}
    assert once["total"] == pytest.approx(sum(value for name, value in once.items() if name != "total"))
    assert twice == pytest.approx(once)
    spread = fitted.components_[0] / fitted.sae_.W_dec[0].detach().numpy()
    error = 0.5 * np.square(fitted.reconstruct(X) - X).sum(1).mean() / np.median(spread) ** 2
    assert once["squared_error"] == pytest.approx(error, rel=1e-4)


def test_samples_look_like_the_data(fitted: SparseAutoencoder) -> None:
    drawn = fitted.sample(200, random_state=0)
    assert drawn.shape == (200, 64)
    np.testing.assert_array_equal(drawn, fitted.sample(200, random_state=0))
    assert np.abs(drawn.mean(0) - fitted.reconstruct(X).mean(0)).max() < 2


def test_samples_come_from_all_of_sorted_data() -> None:
    both = np.concatenate([np.tile(X, (3, 1)), 100 + X])
    drawn = small(max_epochs=20).fit(both).sample(500, random_state=0)
    assert drawn.mean() == pytest.approx(both.mean(), rel=0.1)


def test_float64_is_computed_in_float64(fitted: SparseAutoencoder) -> None:
    assert fitted.transform(X.astype(np.float64)).dtype == np.float64
    assert fitted.transform(X).dtype == np.float32


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"recipe": "stroke"}, "unknown recipe 'stroke'; did you mean 'strokes'"),
        ({"architecture": "topc"}, "unknown architecture 'topc'; did you mean 'topk'"),
        ({"architecture_params": {"k": 33}}, "k is 33 but there are only 32 features"),
        ({"architecture_params": {"kk": 3}}, "has no 'kk'; did you mean 'k'"),
        ({"n_components": 2.7}, "n_latents should be a valid integer, got 2.7"),
        ({"shape": (5, 5)}, "has 64 columns, which cannot have the shape"),
        ({"device": "cudda"}, "the device 'cudda' cannot be used here"),
    ],
)
def test_a_mistake_is_one_sentence(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SparsightError, match=said):
        small(**given).fit(X)


@pytest.mark.parametrize("n", [100, 400])  # fits into one batch, and does not
@pytest.mark.parametrize("weight", [None, 0.0])
def test_bad_rows_are_counted_and_named(n: int, weight: float | None) -> None:
    bad = X[:n].copy()
    bad[[3, 7], 0] = np.nan
    weights = None if weight is None else np.where(np.arange(n) < 3, weight, 1.0)
    for learn in (small().fit, small().partial_fit):
        with pytest.raises(SparsightError, match=rf"2 of {n} samples hold NaN or infinity \(samples 3, 7\)"):
            learn(bad, sample_weight=weights)


def test_codes_of_the_wrong_width_are_refused(fitted: SparseAutoencoder) -> None:
    with pytest.raises(SparsightError, match="codes have 5 columns and the model 32 features"):
        fitted.inverse_transform(np.zeros((2, 5)))
