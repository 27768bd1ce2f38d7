"""The scikit-learn face."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,  # type: ignore[attr-defined]
    check_array,
    check_is_fitted,
    validate_data,
)
from torch import Tensor

from sparsight import recipes
from sparsight.core import SAE, Architecture, Codes, Source
from sparsight.devices import choose_device
from sparsight.errors import SparsightError
from sparsight.job import Job, Recipe, prepare, refuse_non_finite
from sparsight.meters.quality import measure_quality
from sparsight.spec import build, describe, plain

CHUNK = 4096
KEPT = 1000
"""How many samples' codes are kept for `sample` to draw from."""
AT_LEAST = 500
"""Steps that `fit` makes where the recipe's epochs would be fewer, as they are in small data."""


class SparseAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A sparse autoencoder as a transformer: rows of numbers to sparse codes, and back.

    Args:
        n_components: F, the number of features; None: as many as inputs.
        recipe: the name of a recipe, a TOML file, or a mapping such as `sparsight.recipes.read` gives.
        architecture: in place of the recipe's: a name, or an object such as `topk(k=20)`, whose knobs a grid search
            reaches as `architecture__k`. None: the recipe's own.
        architecture_params: knobs of the architecture by name, such as `{"k": 20}`. TopK's `k=None` follows the width.
        aim: what codes should be like, one of `l0`, `mean_activity` and `explained_variance` with its value, such as
            `{"l0": 20}`: the architecture's knob is turned in training until they are. `notes_` says where it settled.
        shape: (height, width) or (height, width, channels) where rows are pictures; recipes then keep filters smooth
            and shift the pictures.
        max_epochs: passes over the data; None: the recipe's, and at least 500 steps.
        batch_size: samples in each step; None: the recipe's.
        learning_rate: None: the recipe's.
        sparse_output: `transform` gives a scipy CSR matrix.
        random_state: seed of start, order and noise.
        device: `auto` takes an accelerator where there is one.

    Attributes:
        components_: decoder rows in the units of the data, [F, D].
        encoder_components_: encoder filters as they act on the data, [F, D].
        encoder_bias_: [F]. decoder_bias_: [D], both in the units of the model.
        n_iter_: passes over the data.
        notes_: what was found that you should know, a sentence each.
        sae_: the model, a `sparsight.core.SAE`.
        n_features_in_, feature_names_in_: as everywhere in scikit-learn.

    Training is in float32; `transform`, `inverse_transform` and `reconstruct` compute in the type that they are given
    and have no noise. `score` is the explained variance.
    """

    def __init__(
        self,
        n_components: int | None = None,
        *,
        recipe: str | Path | Mapping[str, Any] = "strokes",
        architecture: str | Architecture | None = None,
        architecture_params: Mapping[str, Any] | None = None,
        aim: Mapping[str, float] | None = None,
        shape: Sequence[int] | None = None,
        max_epochs: float | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        sparse_output: bool = False,
        random_state: Any = None,
        device: str = "auto",
    ) -> None:
        self.n_components = n_components
        self.recipe = recipe
        self.architecture = architecture
        self.architecture_params = architecture_params
        self.aim = aim
        self.shape = shape
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.sparse_output = sparse_output
        self.random_state = random_state
        self.device = device

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train on X, [N, D], dense or sparse.

        Args:
            X: samples.
            y: targets, [N, D_out], where the architecture maps inputs to targets, as `transcoder` does; else ignored.
            sample_weight: [N]. A weight of 2 is the sample twice; where all samples fit into one batch, exactly so.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed; what was learned until then is kept.
        """
        X = self._validated(X, reset=True, least=2)
        recipe = self._recipe(X.shape[1])
        source = self._source(X, self._targets(y, recipe), sample_weight, recipe.train.batch_size)
        if self.max_epochs is None:
            size = recipe.train.batch_size
            per_epoch = 1 if size == "all" else max(1.0, len(source) / size)
            epochs = recipe.train.epochs if size == "all" else max(recipe.train.epochs, AT_LEAST / per_epoch)
            train = recipe.train.model_copy(update={"epochs": float(epochs)})
            recipe = recipe.model_copy(update={"train": train})
        job = prepare(recipe, source, device=choose_device(self.device))
        ended = job.trainer.fit(job.source, held_out=job.held_out)
        job.trainer.open_ended = True
        self.n_iter_ = max(1, round(job.trainer.number * job.trainer.batch_size / job.trainer.facts.n_samples))
        self._keep(job)
        if job.trainer.controller is not None:
            self.notes_.append(job.trainer.controller.settled()["said"])
        if ended == "interrupted":
            raise KeyboardInterrupt  # the trainer only stopped; a grid search around this must stop too
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Go on training with one pass over X in its own order, a step for every `batch_size` rows.

        The first call calibrates: preprocessing and start are fitted to its X, and stay, so let that X represent the
        data. The learning rate is constant. After `fit` it goes on where that ended. Weights are divided by the mean of
        those in the call, and `sample` draws from the codes of the last call.
        """
        first = not hasattr(self, "sae_")
        X = self._validated(X, reset=first, least=2 if first else 1)
        recipe = self._recipe(X.shape[1])
        source = self._source(X, self._targets(y, recipe), sample_weight, 0)
        if first:
            job = prepare(recipe, source, device=choose_device(self.device), open_ended=True)
            self.n_iter_ = 0
            self._keep(job)
        trainer = self._trainer
        size = trainer.config.batch_size
        trainer.batch_size = len(source) if size == "all" else min(size, len(source))  # of this call, not of the first
        for batch in source.chunks(trainer.batch_size):
            trainer.step(replace(batch, step=trainer.number))
        self.n_iter_ += 1
        self.sae_.eval()
        self._publish(source)
        return self

    def transform(self, X: Any) -> Any:
        """Codes of X, [N, F], in the type of X; sparse where `sparse_output` is set."""
        check_is_fitted(self, "sae_")
        X = self._validated(X, reset=False)
        sae, parts = self._model(X.dtype), []
        for rows in self._rows(X, sae):
            with torch.no_grad():
                codes = sae.transform(rows)
            parts.append(_csr(codes) if self.sparse_output else codes.dense().cpu().numpy())
        return sp.vstack(parts, format="csr") if self.sparse_output else np.concatenate(parts)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Reconstructions in the units of the data (the targets), [N, D], of codes X, [N, F], dense or sparse.

        Raises:
            SparsightError: codes of another width, or a decoder that needs the inputs too: use `reconstruct`.
        """
        check_is_fitted(self, "sae_")
        codes: Any = check_array(X, accept_sparse="csr", dtype=[np.float64, np.float32])  # type: ignore[arg-type]
        if codes.shape[1] != self.sae_.n_latents:
            raise SparsightError(
                f"codes have {codes.shape[1]} columns and the model {self.sae_.n_latents} features: give one for each"
            )
        sae = self._model(codes.dtype)
        with torch.no_grad():
            recons = [sae.decode(Codes(rows, sae.n_latents)) for rows in self._rows(codes, sae)]
            return np.concatenate([sae.in_raw_units(recon).cpu().numpy() for recon in recons])

    def reconstruct(self, X: Any) -> np.ndarray:
        """What the model makes of X, [N, D], in the units of the data (the targets)."""
        check_is_fitted(self, "sae_")
        X = self._validated(X, reset=False)
        sae = self._model(X.dtype)
        with torch.no_grad():
            return np.concatenate([sae.reconstruct(rows).cpu().numpy() for rows in self._rows(X, sae)])

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """The explained variance of X in its own units: 1 − Σ‖x − reconstruction‖² / Σ‖x − mean‖². 1 is perfect.

        The reconstruction is that of the codes alone: what preprocessing took out of a sample counts as missed.
        Of a transcoder it is that of its targets y, [N, D_out].
        """
        check_is_fitted(self, "sae_")
        X = self._validated(X, reset=False)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        source = build("source", "arrays", data=X, weight=weight, target=self._targets(y, self._recipe(X.shape[1])))
        return measure_quality(self.sae_, source, raw=True).result()["explained_variance"]

    def objective(self, X: Any, y: Any = None) -> dict[str, float]:
        """The mean loss on X, term by term, each times its weight, and their `total`: what training makes small.

        Without noise, and per sample: it does not depend on how many there are.
        """
        check_is_fitted(self, "sae_")
        X = self._validated(X, reset=False)
        targets = self._targets(y, self._recipe(X.shape[1]))
        objective = self._trainer.objective

        def parts() -> Iterator[tuple[Tensor, Tensor]]:
            for n, rows in enumerate(self._rows(X, self.sae_)):
                part = None if targets is None else torch.from_numpy(targets[n * CHUNK : (n + 1) * CHUNK])
                yield self.sae_.units(rows, part)

        values = {name: objective.terms[name].weight * value for name, value in objective.mean(parts()).items()}
        return {**values, "total": sum(values.values())}

    def sample(self, n_samples: int = 1, random_state: Any = None) -> np.ndarray:
        """New samples, [n, D]: every feature's code is drawn from those it had in training, each independently."""
        check_is_fitted(self, "sae_")
        dice = check_random_state(random_state)
        kept = self.codes_sample_
        codes = np.zeros((n_samples, kept.shape[1]), kept.dtype)
        for feature in range(kept.shape[1]):
            column = kept[:, [feature]].toarray().ravel()
            codes[:, feature] = column[dice.randint(0, len(column), n_samples)]
        return self.inverse_transform(codes)

    @property
    def _n_features_out(self) -> int:
        return self.sae_.n_latents

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        assert tags.transformer_tags is not None
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _validated(self, X: Any, *, reset: bool, least: int = 1) -> Any:
        return validate_data(
            self,
            X,
            reset=reset,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            ensure_min_samples=least,
            ensure_all_finite=not reset,
        )

    def _recipe(self, width: int) -> Recipe:
        asked = dict(self.recipe if isinstance(self.recipe, Mapping) else recipes.read(self.recipe))
        own = asked.get("architecture", {})
        own = {"name": own} if isinstance(own, str) else own
        chosen = self.architecture
        if isinstance(chosen, Architecture):
            own = describe(chosen)
        elif chosen is not None and chosen != own.get("name"):
            own = {"name": chosen}
        asked["architecture"] = {**own, **(self.architecture_params or {})}
        asked["n_latents"] = width if self.n_components is None else plain(self.n_components)
        if self.aim is not None:
            asked["aim"] = {measure: float(plain(value)) for measure, value in self.aim.items()}
        changes = {"epochs": self.max_epochs, "batch_size": self.batch_size, "lr": self.learning_rate}
        asked["train"] = {**asked.get("train", {}), **{k: plain(v) for k, v in changes.items() if v is not None}}
        asked["seed"] = int(check_random_state(self.random_state).randint(2**31 - 1))
        return Recipe.parse(asked)

    @staticmethod
    def _targets(y: Any, recipe: Recipe) -> Any:
        """y as targets, [N, D_out], where the architecture takes them."""
        if not build("architecture", recipe.architecture).targets:
            return None
        if y is None:
            name = recipe.architecture["name"]
            raise SparsightError(f"{name} maps inputs to targets: give these as y, a row for each of X")
        return check_array(y, dtype=[np.float64, np.float32], input_name="y")  # type: ignore[arg-type]

    def _source(self, X: Any, y: Any, sample_weight: Any, batch_size: int | Literal["all"]) -> Source:
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        refuse_non_finite(self._rows_as_they_are(X, y, None))  # while rows have the numbers that the user knows
        if y is None and (batch_size == "all" or X.shape[0] <= batch_size):
            # equal samples become one with the sum of their weights, so that weights and repetitions are the same bits
            rows, inverse = np.unique(_dense(X), axis=0, return_inverse=True)
            total = np.bincount(inverse.ravel(), weights=weight, minlength=len(rows))
            X, weight = rows[total > 0], total[total > 0]
        elif weight is not None:
            X, y, weight = X[weight > 0], None if y is None else y[weight > 0], weight[weight > 0]
        return self._rows_as_they_are(X, y, weight)

    def _rows_as_they_are(self, X: Any, y: Any, weight: Any) -> Source:
        shape = None if self.shape is None else [int(n) for n in self.shape]
        columns = getattr(self, "feature_names_in_", None)
        names = None if columns is None else [str(name) for name in columns]
        return build("source", {"name": "arrays", "shape": shape, "names": names}, data=X, weight=weight, target=y)

    def _keep(self, job: Job) -> None:
        self.sae_, self._trainer, self.notes_ = job.sae, job.trainer, list(job.notes)
        self.sae_.eval()
        self._publish(job.source)

    def _publish(self, source: Source) -> None:
        sae = self.sae_
        with torch.no_grad():
            # copies: training goes on in the weights themselves
            filters = sae.filters()
            self.components_ = filters["decoder"].numpy().copy()
            self.encoder_components_ = filters["encoder"].numpy().copy()
            self.encoder_bias_ = sae.b_enc.cpu().numpy().copy()
            self.decoder_bias_ = sae.b_dec.cpu().numpy().copy()
            self.codes_sample_ = _csr(sae.transform(self._drawn(source).to(sae.b_dec)))

    def _drawn(self, source: Source) -> Tensor:
        """Random samples, as often as they weigh: data come sorted, so the first would not speak for the rest."""
        dice, n, weight = np.random.default_rng(self._trainer.objective.seed), len(source), source.weights()
        if weight is None:
            ids = dice.choice(n, min(KEPT, n), replace=False)
        else:
            ids = dice.choice(n, KEPT, p=(weight / weight.sum()).numpy())
        return source.gather(torch.from_numpy(ids))

    def _model(self, dtype: Any) -> SAE:
        """The model in the precision of the data."""
        if dtype == np.float32:
            return self.sae_
        return copy.deepcopy(self.sae_).double()

    @staticmethod
    def _rows(X: Any, sae: SAE) -> Iterator[Tensor]:
        for start in range(0, X.shape[0], CHUNK):
            yield torch.from_numpy(np.array(_dense(X[start : start + CHUNK]))).to(sae.b_dec)


def _dense(X: Any) -> np.ndarray:
    return X.toarray() if sp.issparse(X) else X


def _csr(codes: Codes) -> Any:
    return sp.csr_array(codes.dense().cpu().numpy())
