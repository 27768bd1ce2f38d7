"""Models from their arrays alone."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional
from toys import D, samples

from sparsight import interchange
from sparsight.core import Model
from sparsight.errors import SparsightError

F = 10
X = samples(1_000)
Weights = dict[str, Tensor]


def topk(pre: Tensor, k: int = 3) -> Tensor:
    values, index = pre.topk(k, dim=1)
    return torch.zeros_like(pre).scatter(1, index, values.relu())


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "softplus": functional.softplus,
    "identity": lambda pre: pre, "topk(3)": topk,
}  # fmt: skip


@functools.cache
def trained(activation: str, output: str = "identity", *, centre: bool = False, n_latents: int = F) -> Weights:
    """A small network, trained by a plain loop of torch: w1 [D, F], w2 [F, D]."""
    dice = torch.Generator().manual_seed(0)
    w1, w2 = (0.3 * torch.randn(*shape, generator=dice) for shape in ((D, n_latents), (n_latents, D)))
    weights = {"w1": w1, "b1": torch.zeros(n_latents), "w2": w2, "b2": X.mean(0) if centre else torch.zeros(D)}
    for value in weights.values():
        value.requires_grad_()
    optimizer = torch.optim.Adam(weights.values(), 0.02)
    for _ in range(1_000):
        x = X - weights["b2"] if centre else X
        logits = FUNCTIONS[activation](x @ weights["w1"] + weights["b1"]) @ weights["w2"] + weights["b2"]
        loss = ((logits.sigmoid() if output == "sigmoid" else logits) - X).square().sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {name: value.detach() for name, value in weights.items()}


def named(weights: Weights, *names: str, turn: tuple[bool, bool] = (False, False)) -> dict[str, np.ndarray]:
    """The same arrays under other names and the other way round."""
    w1, w2 = (w.T if turned else w for w, turned in zip((weights["w1"], weights["w2"]), turn, strict=True))
    return dict(zip(names, (each.numpy() for each in (w1, weights["b1"], w2, weights["b2"])), strict=True))


NAMES: list[tuple[tuple[str, ...], tuple[bool, bool]]] = [
    (("w1", "b1", "w2", "b2"), (False, False)),
    (("W1", "b1", "W2", "b2"), (True, True)),
    (("W_enc", "b_enc", "W_dec", "b_dec"), (False, False)),
    (("encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias"), (True, True)),
    (("encoder.weight", "encoder.bias", "decoder.weight", "pre_bias"), (True, True)),
    (("0.weight", "0.bias", "2.weight", "2.bias"), (True, True)),
    (("arr_0", "arr_1", "arr_2", "arr_3"), (False, False)),
    (("dense_9/kernel:0", "dense_9/bias:0", "dense_10/kernel:0", "dense_10/bias:0"), (False, False)),
    (("EncoderWeights", "EncoderBiases", "DecoderWeights", "DecoderBiases"), (True, True)),
    (("coefs_.0", "intercepts_.0", "coefs_.1", "intercepts_.1"), (False, False)),
]


def agrees(model: Model, weights: Weights, activation: str = "relu", output: str = "identity") -> None:
    codes = FUNCTIONS[activation](X @ weights["w1"] + weights["b1"])
    logits = codes @ weights["w2"] + weights["b2"]
    torch.testing.assert_close(model.encode(X).dense(), codes)
    assert model.decode is not None and model.W_enc is not None and model.W_dec is not None
    recon = logits.sigmoid() if output == "sigmoid" else logits
    torch.testing.assert_close(model.decode(model.encode(X), X), recon)
    torch.testing.assert_close(model.W_enc, weights["w1"].T)
    torch.testing.assert_close(model.W_dec, weights["w2"])


@pytest.mark.parametrize(("names", "turn"), NAMES, ids=str)
def test_arrays_are_found_under_any_usual_names_and_either_way_round(
    tmp_path: Path, names: tuple[str, ...], turn: tuple[bool, bool]
) -> None:
    weights = trained("relu")
    arrays = named(weights, *names, turn=turn)
    agrees(interchange.arrays(arrays, X, "relu", "identity"), weights)
    if "/" not in names[0]:
        np.savez(tmp_path / "weights.npz", allow_pickle=True, **arrays)
        agrees(interchange.arrays(tmp_path / "weights.npz", X, "relu", "identity"), weights)
    save_file({n: torch.tensor(a.copy()) for n, a in arrays.items()}, tmp_path / "weights.safetensors")
    agrees(interchange.arrays(tmp_path / "weights.safetensors", X, "relu", "identity"), weights)
    torch.save({n: torch.tensor(a.copy()) for n, a in arrays.items()}, tmp_path / "weights.pt")
    agrees(interchange.arrays(tmp_path / "weights.pt", X, "relu", "identity"), weights)


def test_lists_estimators_and_columns_of_matlab_are_read_too(tmp_path: Path) -> None:
    from scipy.io import savemat
    from sklearn.neural_network import MLPRegressor

    weights = trained("relu")
    arrays = named(weights, "w1", "b1", "w2", "b2")
    agrees(interchange.arrays(list(arrays.values()), X, "relu", "identity"), weights)
    np.savez(tmp_path / "keras.npz", *arrays.values())  # as a user of Keras writes get_weights()
    agrees(interchange.arrays(tmp_path / "keras.npz", X, "relu", "identity"), weights)
    by_kind = [arrays["w1"], arrays["w2"], arrays["b1"], arrays["b2"]]  # as of coefs_ and intercepts_
    agrees(interchange.arrays(by_kind, X, "relu", "identity"), weights)
    savemat(tmp_path / "weights.mat", {n: a[:, None] if a.ndim == 1 else a.T for n, a in arrays.items()})
    agrees(interchange.arrays(tmp_path / "weights.mat", X, "relu", "identity"), weights)
    fitted = MLPRegressor(
        hidden_layer_sizes=(F,), activation="logistic", solver="lbfgs", max_iter=50, random_state=0, tol=1.0
    )
    model = interchange.arrays(fitted.fit(X.numpy(), X.numpy()), X)
    assert model.decode is not None and (model.activation, model.output) == ("sigmoid", "identity")
    predicted = torch.tensor(fitted.predict(X.numpy())).float()
    torch.testing.assert_close(model.decode(model.encode(X), X), predicted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("output", ["identity", "sigmoid"])
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "softplus", "topk(3)"])
def test_activation_and_output_are_inferred_from_where_training_ended(activation: str, output: str) -> None:
    weights = trained(activation, output)
    model = interchange.arrays(named(weights, "w1", "b1", "w2", "b2"), X)
    assert (model.activation, model.output) == (activation, output), model.notes
    agrees(model, weights, activation, output)
    assert any(note.startswith("inferred from 1000 samples: activation=") for note in model.notes)


def test_whether_b_dec_is_subtracted_is_inferred_and_said() -> None:
    weights = trained("relu", centre=True)
    model = interchange.arrays(named(weights, "w1", "b1", "w2", "b2"), X, "relu", "identity")
    codes = ((X - weights["b2"]) @ weights["w1"] + weights["b1"]).relu()
    torch.testing.assert_close(model.encode(X).dense(), codes)
    assert model.W_enc is not None and model.b_enc is not None
    torch.testing.assert_close((X @ model.W_enc.T + model.b_enc).relu(), codes)
    assert any("b_dec is subtracted before the encoder" in note for note in model.notes)


def test_a_square_matrix_lies_as_it_fits() -> None:
    weights = trained("sigmoid", n_latents=D)
    for turn in ((False, False), (True, False), (True, True)):
        model = interchange.arrays(named(weights, "w1", "b1", "w2", "b2", turn=turn), X, "sigmoid", "identity")
        agrees(model, weights, "sigmoid")
        assert any("square" in note for note in model.notes)


def test_what_is_not_clear_is_asked_for_with_all_candidates() -> None:
    weights = {name: 0.03 * value for name, value in trained("identity").items()}
    weights["w2"] = trained("identity")["w2"] / 0.03  # tanh of little is nearly a straight line
    weights["b2"] = trained("identity")["b2"]
    arrays = named(weights, "w1", "b1", "w2", "b2")
    with pytest.raises(SparsightError, match=r"several fit about as well.*tanh.*explains.*activation=") as told:
        interchange.arrays(arrays, X)
    assert "activation='identity'" in str(told.value)
    assert interchange.arrays(arrays, X, "tanh", "identity").activation == "tanh"


def test_weights_that_rebuild_nothing_need_to_be_told_what_they_do() -> None:
    dice = np.random.default_rng(0)
    noise = {"w1": dice.normal(size=(D, F)), "w2": 9 * dice.normal(size=(F, D))}
    with pytest.raises(SparsightError, match="none rebuilds them"):
        interchange.arrays(noise, X)
    model = interchange.arrays(noise, X, "sigmoid", "identity")
    assert any("explains nothing" in note for note in model.notes)
    assert any("there is no b_enc: it is 0 and no b_dec: it is 0" in note for note in model.notes)


def test_one_matrix_is_tied_where_that_fits_and_else_an_encoder() -> None:
    basis = torch.linalg.svd(X - X.mean(0), full_matrices=False).Vh[:F]
    tied = interchange.arrays({"components_": basis, "mean_": X.mean(0)}, X, "identity", "identity")
    assert tied.decode is not None and tied.W_dec is not None
    torch.testing.assert_close(tied.W_dec, basis)
    assert "encoder and decoder in one" in tied.notes[0]
    alone = interchange.arrays({"w1": -trained("relu")["w1"] * 20}, X)
    assert alone.decode is None and alone.W_dec is None and alone.activation is None
    assert any("its activation is not known" in note for note in alone.notes)


def test_a_threshold_makes_it_a_jumprelu() -> None:
    weights = trained("relu")
    model = interchange.arrays({**weights, "threshold": torch.full((F,), 0.2)}, X, output="identity")
    pre = X @ weights["w1"] + weights["b1"]
    torch.testing.assert_close(model.encode(X).dense(), pre * (pre > 0.2))
    assert model.activation == "jumprelu"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"w1": torch.ones(D + 1, F)}, rf"the samples have {D} numbers, and no side of 'w1' \[{D + 1}, {F}\] has"),
        ({"w2": torch.ones(F + 1, D)}, "fit no orientation"),
        ({"b1": torch.ones(F + 3)}, "'b1' .* is no bias of 10 features or 16 inputs"),
        ({"gain": torch.ones(F)}, "may all be the encoder's bias|what is 'gain'"),
        ({"w3": torch.ones(F, F)}, "3 matrices, and one hidden layer has two"),
        ({"r_mag": torch.ones(F)}, "array of a gated autoencoder"),
        ({"w1": torch.ones(3, 3, 1, 8)}, "convolutional"),
        ({"w1": torch.full((D, F), torch.nan)}, "NaN"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_arrays_that_are_not_one_hidden_layer_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(SparsightError, match=said):
        interchange.arrays({**trained("relu"), **change}, X)


def test_files_that_are_no_arrays_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "objects.npz", w1=np.array([{"a": 1}, None], dtype=object))
    with pytest.raises(SparsightError, match="pickled objects"):
        interchange.arrays(tmp_path / "objects.npz", X)
    (tmp_path / "model.h5").write_bytes(b"\x89HDF")
    with pytest.raises(SparsightError, match=r"np\.savez\('weights\.npz'"):
        interchange.arrays(tmp_path / "model.h5", X)
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(SparsightError, match="damaged"):
        interchange.arrays(tmp_path / "cut.npz", X)
    with pytest.raises(SparsightError, match="there are no weights at"):
        interchange.arrays(tmp_path / "nothing.npz", X)
    with pytest.raises(SparsightError, match="did you mean 'relu'"):
        interchange.arrays(trained("relu"), X, "rely")
    with pytest.raises(SparsightError, match="there are no arrays"):
        interchange.arrays({}, X)
