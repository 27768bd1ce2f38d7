"""Folders of SAELens, sparsify and dictionary_learning, written by hand as these systems write them."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import normalize

from sparsight import interchange
from sparsight.activations.batch_topk import BatchTopK
from sparsight.core import SAE, Schema
from sparsight.errors import SparsightError
from sparsight.spec import build, names

D, F, K, OUT = 12, 40, 5, 7
X = torch.randn(200, D, dtype=torch.float64, generator=torch.Generator().manual_seed(9)) + 0.3
Outputs = tuple[Tensor, Tensor]
Formula = Callable[[dict[str, Tensor]], Outputs]


def random(*shape: int, seed: int = 0) -> Tensor:
    return 0.4 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed + 31 * sum(shape)))


def saelens(folder: Path, tensors: dict[str, Tensor], **config: Any) -> Path:
    folder.mkdir()
    save_file({name: value.contiguous() for name, value in tensors.items()}, folder / "sae_weights.safetensors")
    common = {"apply_b_dec_to_input": True, "normalize_activations": "none", "metadata": {"sae_lens_version": "6.54.0"}}
    (folder / "cfg.json").write_text(json.dumps({"d_in": D, "d_sae": F, "dtype": "float32", **common, **config}))
    return folder


def common(out: int = D) -> dict[str, Tensor]:
    return {"W_enc": random(D, F), "b_enc": random(F), "W_dec": random(F, out, seed=1), "b_dec": random(out, seed=2)}


def exact(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.double() for name, value in tensors.items()}


def largest(pre: Tensor, k: int = K) -> Tensor:
    values, index = pre.topk(k, dim=1)
    return torch.zeros_like(pre).scatter(1, index, values.relu())


def agree(sae: SAE, codes: Tensor, recon: Tensor) -> None:
    sae = sae.double()
    torch.testing.assert_close(sae.transform(X).dense(), codes, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(sae.reconstruct(X), recon, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("architecture", ["standard", "topk", "abstopk", "jumprelu"])
def test_a_saelens_autoencoder_gives_what_its_formula_says(tmp_path: Path, architecture: str, centred: bool) -> None:
    tensors = common()
    if architecture == "jumprelu":
        tensors["threshold"] = random(F, seed=5)  # some below 0, where the rectifier decides
    sae = interchange.read(
        saelens(tmp_path / "sae", tensors, architecture=architecture, k=K, apply_b_dec_to_input=centred)
    )
    w = exact(tensors)
    pre = (X - w["b_dec"] * centred) @ w["W_enc"] + w["b_enc"]
    codes = {
        "standard": pre.relu(),
        "topk": largest(pre),
        "abstopk": pre * largest(pre.abs()).bool(),
        "jumprelu": pre.relu() * (pre > w.get("threshold", 0)),
    }[architecture]
    agree(sae, codes, codes @ w["W_dec"] + w["b_dec"])


def test_saelens_rescales_by_the_norm_of_rows_before_it_selects(tmp_path: Path) -> None:
    tensors = common()
    folder = saelens(tmp_path / "sae", tensors, architecture="topk", k=K, rescale_acts_by_decoder_norm=True)
    w = exact(tensors)
    norm = w["W_dec"].norm(dim=1)
    codes = largest(((X - w["b_dec"]) @ w["W_enc"] + w["b_enc"]) * norm)
    agree(interchange.read(folder), codes, codes / norm @ w["W_dec"] + w["b_dec"])


@pytest.mark.parametrize("centred", [True, False])
def test_a_gated_one_has_a_gate_and_a_magnitude_of_its_own(tmp_path: Path, centred: bool) -> None:
    tensors = {name: value for name, value in common().items() if name != "b_enc"}
    tensors |= {"b_gate": random(F, seed=3), "b_mag": random(F, seed=4), "r_mag": random(F, seed=5)}
    sae = interchange.read(saelens(tmp_path / "sae", tensors, architecture="gated", apply_b_dec_to_input=centred))
    w = exact(tensors)
    x = X - w["b_dec"] * centred
    codes = (x @ w["W_enc"] + w["b_gate"] > 0) * (x @ (w["W_enc"] * w["r_mag"].exp()) + w["b_mag"]).relu()
    agree(sae, codes, codes @ w["W_dec"] + w["b_dec"])


@pytest.mark.parametrize("architecture", ["batchtopk", "matryoshka_batchtopk"])
def test_a_checkpoint_of_batchtopk_has_the_threshold_of_its_inference(tmp_path: Path, architecture: str) -> None:
    tensors = {**common(), "topk_threshold": torch.tensor(0.6, dtype=torch.float64)}
    knobs = {"architecture": architecture, "k": K, "rescale_acts_by_decoder_norm": True, "matryoshka_widths": [10, F]}
    sae = interchange.read(saelens(tmp_path / "sae", tensors, **knobs))
    w = exact(tensors)
    norm = w["W_dec"].norm(dim=1)
    pre = ((X - w["b_dec"]) @ w["W_enc"] + w["b_enc"]) * norm
    codes = pre * (pre > 0.6)
    agree(sae, codes, codes / norm @ w["W_dec"] + w["b_dec"])
    assert sae.architecture["name"] == {"batchtopk": "batch_topk"}.get(architecture, "matryoshka")


@pytest.mark.parametrize(("steps", "tolerance", "stop"), [(None, 0.5, True), (4, 0.0, False), (30, 0.2, False)])
def test_matching_pursuit_stops_where_saelens_stops(
    tmp_path: Path, steps: int | None, tolerance: float, stop: bool
) -> None:
    tensors = {"W_dec": normalize(random(F, D), dim=1), "b_dec": random(D)}
    knobs = {"max_iterations": steps, "residual_threshold": tolerance, "stop_on_duplicate_support": stop}
    sae = interchange.read(saelens(tmp_path / "sae", tensors, architecture="matching_pursuit", **knobs))
    w = exact(tensors)
    left, codes = X - w["b_dec"], torch.zeros(len(X), F, dtype=torch.float64)
    for row in range(len(X)):
        for _ in range(steps or D):
            before = codes[row] != 0
            j = int((left[row] @ w["W_dec"].T).argmax())
            size = (left[row] @ w["W_dec"][j]).relu()
            codes[row, j] += size
            left[row] -= size * w["W_dec"][j]
            if (stop and torch.equal(codes[row] != 0, before)) or left[row].norm() < tolerance:
                break
    agree(sae, codes, codes @ w["W_dec"] + w["b_dec"])
    with torch.no_grad():
        agree(sae, codes, codes @ w["W_dec"] + w["b_dec"])


@pytest.mark.parametrize("architecture", ["transcoder", "skip_transcoder", "jumprelu_skip_transcoder"])
def test_a_transcoder_maps_to_targets_of_another_width(tmp_path: Path, architecture: str) -> None:
    tensors = common(OUT)
    if "skip" in architecture:
        tensors["W_skip"] = random(OUT, D)
    if "jumprelu" in architecture:
        tensors["threshold"] = random(F, seed=5)
    folder = saelens(tmp_path / "sae", tensors, architecture=architecture, d_out=OUT, apply_b_dec_to_input=False)
    w = exact(tensors)
    pre = X @ w["W_enc"] + w["b_enc"]
    codes = pre.relu() * (pre > w.get("threshold", 0))
    sae = interchange.read(folder)
    assert sae.schema.n_targets == OUT
    agree(sae, codes, codes @ w["W_dec"] + w["b_dec"] + (X @ w["W_skip"].T if "W_skip" in w else 0))


def test_what_a_checkpoint_scaled_or_whitened_is_folded_in(tmp_path: Path) -> None:
    tensors = common()
    w = exact(tensors)
    config = {"architecture": "standard", "normalize_activations": "expected_average_only_in"}
    folder = saelens(tmp_path / "scaled", tensors, **config)
    (note,) = interchange.opened(folder).notes
    assert "does not say by which" in note
    (folder / "activation_scaler.json").write_text(json.dumps({"scaling_factor": 0.25}))
    codes = ((0.25 * X - w["b_dec"]) @ w["W_enc"] + w["b_enc"]).relu()
    agree(interchange.read(folder), codes, (codes @ w["W_dec"] + w["b_dec"]) / 0.25)
    assert not interchange.opened(folder).notes
    config = {"architecture": "standard", "normalize_activations": "covariance_whitening"}
    folder = saelens(tmp_path / "whitened", tensors, **config)
    with pytest.raises(SparsightError, match=r"no activation_whitening\.safetensors"):
        interchange.read(folder)
    mean, matrix = random(D, seed=6).double(), torch.eye(D, dtype=torch.float64) + random(D, D).double()
    white = {"mean": mean, "matrix": matrix, "inverse_matrix": matrix.inverse().contiguous()}
    save_file(white, folder / "activation_whitening.safetensors")
    codes = (((X - mean) @ matrix - w["b_dec"]) @ w["W_enc"] + w["b_enc"]).relu()
    agree(interchange.read(folder), codes, (codes @ w["W_dec"] + w["b_dec"]) @ matrix.inverse() + mean)


def test_settings_from_before_saelens_6_are_understood(tmp_path: Path) -> None:
    tensors = common()
    old = {
        "metadata": None,
        "activation_fn_str": "topk",
        "activation_fn_kwargs": {"k": K},
        "normalize_activations": False,
    }
    w = exact(tensors)
    codes = largest((X - w["b_dec"]) @ w["W_enc"] + w["b_enc"])
    agree(interchange.read(saelens(tmp_path / "sae", tensors, **old)), codes, codes @ w["W_dec"] + w["b_dec"])


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"architecture": "temporal"}, "depends? on the samples before"),
        ({"architecture": "topks"}, "did you mean 'topk'"),
        ({"architecture": "topk"}, "k is None"),
        ({"architecture": "gated"}, "has no 'b_gate'; there is: W_dec"),
        ({"architecture": "matching_pursuit"}, r"W_enc, b_enc, which .* does not have"),
        ({"architecture": "standard", "normalize_activations": "layer_norm"}, "normalises each sample by itself"),
    ],
)
def test_what_saelens_has_and_we_cannot_express_is_refused(tmp_path: Path, config: dict[str, Any], said: str) -> None:
    folder = saelens(tmp_path / "sae", common(), **config)
    with pytest.raises(SparsightError, match=said):
        interchange.read(folder)


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("transcode", [False, True])
@pytest.mark.parametrize("activation", ["topk", "groupmax"])
def test_a_sparsify_coder_gives_what_its_formula_says(
    tmp_path: Path, activation: str, transcode: bool, skip: bool
) -> None:
    tensors = {
        "encoder.weight": random(F, D),
        "encoder.bias": random(F),
        "W_dec": random(F, D, seed=1),
        "b_dec": random(D),
    }
    if skip:
        tensors["W_skip"] = random(D, D)
    save_file(tensors, tmp_path / "sae.safetensors")
    config = {"activation": activation, "k": K, "num_latents": 0, "transcode": transcode, "skip_connection": skip}
    (tmp_path / "cfg.json").write_text(json.dumps({**config, "multi_topk": True, "d_in": D}))
    w = exact(tensors)
    pre = ((X - w["b_dec"] * (not transcode)) @ w["encoder.weight"].T + w["encoder.bias"]).relu()
    codes = largest(pre)
    if activation == "groupmax":
        groups = pre.unflatten(1, (K, -1))
        codes = (groups * (groups == groups.max(2, keepdim=True).values)).flatten(1)
    read = interchange.opened(tmp_path)
    agree(read.sae, codes, codes @ w["W_dec"] + w["b_dec"] + (X @ w["W_skip"].T if skip else 0))
    assert "4 k largest" in read.notes[0]


DL: dict[str, tuple[dict[str, Tensor], Formula]] = {
    "AutoEncoder": (
        {"bias": random(D), "encoder.weight": random(F, D), "encoder.bias": random(F), "decoder.weight": random(D, F)},
        lambda w: (((X - w["bias"]) @ w["encoder.weight"].T + w["encoder.bias"]).relu(), w["bias"]),
    ),
    "AutoEncoderNew": (
        {
            "encoder.weight": random(F, D), "encoder.bias": random(F), "decoder.weight": random(D, F),
            "decoder.bias": random(D),
        },
        lambda w: ((X @ w["encoder.weight"].T + w["encoder.bias"]).relu(), w["decoder.bias"]),
    ),
    "GatedAutoEncoder": (
        {
            "decoder_bias": random(D), "encoder.weight": random(F, D), "r_mag": random(F, seed=3),
            "gate_bias": random(F, seed=4), "mag_bias": random(F, seed=5), "decoder.weight": random(D, F),
        },
        lambda w: (
            ((X - w["decoder_bias"]) @ w["encoder.weight"].T + w["gate_bias"] > 0)
            * (w["r_mag"].exp() * ((X - w["decoder_bias"]) @ w["encoder.weight"].T) + w["mag_bias"]).relu(),
            w["decoder_bias"],
        ),
    ),
    "JumpReluAutoEncoder": (
        {**common(), "threshold": random(F, seed=5).abs()},
        lambda w: (
            (X @ w["W_enc"] + w["b_enc"]) * (X @ w["W_enc"] + w["b_enc"] > w["threshold"]), w["b_dec"],
        ),
    ),
    "AutoEncoderTopK": (
        {
            "encoder.weight": random(F, D), "encoder.bias": random(F), "decoder.weight": random(D, F),
            "b_dec": random(D), "k": torch.tensor(K, dtype=torch.int32), "threshold": torch.tensor(-1.0),
        },
        lambda w: (largest((X - w["b_dec"]) @ w["encoder.weight"].T + w["encoder.bias"]), w["b_dec"]),
    ),
    "MatryoshkaBatchTopKSAE": (
        {
            **common(), "k": torch.tensor(K, dtype=torch.int32), "threshold": torch.tensor(0.5),
            "group_sizes": torch.tensor([10, 30]),
        },
        lambda w: (
            ((X - w["b_dec"]) @ w["W_enc"] + w["b_enc"]) * ((X - w["b_dec"]) @ w["W_enc"] + w["b_enc"] > 0.5),
            w["b_dec"],
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DL)
def test_a_folder_of_dictionary_learning_is_read(tmp_path: Path, name: str) -> None:
    tensors, formula = DL[name]
    torch.save(tensors, tmp_path / "ae.pt")
    (tmp_path / "config.json").write_text(json.dumps({"trainer": {"dict_class": name}, "buffer": {}}))
    w = exact(tensors)
    codes, bias = formula(w)
    rows = w["W_dec"] if "W_dec" in w else w["decoder.weight"].T
    agree(interchange.read(tmp_path), codes, codes @ rows + bias)


class Bomb:
    """What a hostile file holds: reading it calls a function."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("went-off"),)


def test_a_pickle_is_refused_and_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ae.pt").write_bytes(pickle.dumps({"encoder.weight": Bomb()}))
    (tmp_path / "config.json").write_text(json.dumps({"trainer": {"dict_class": "AutoEncoder"}}))
    with pytest.raises(SparsightError, match="pickled"):
        interchange.read(tmp_path)
    torch.save({"encoder.weight": Bomb()}, tmp_path / "ae.pt")
    with pytest.raises(SparsightError, match="pickled"):
        interchange.read(tmp_path)
    assert not (tmp_path / "went-off").exists()


def test_damaged_and_missing_files_are_told_in_a_sentence(tmp_path: Path) -> None:
    folder = saelens(tmp_path / "sae", common(), architecture="standard")
    with pytest.raises(SparsightError, match="there is no file or folder"):
        interchange.read(tmp_path / "nothing")
    with pytest.raises(SparsightError, match="no known format"):
        interchange.read(tmp_path)
    (folder / "cfg.json").write_text("{")
    with pytest.raises(SparsightError, match="damaged: it is no JSON"):
        interchange.read(folder)
    (folder / "cfg.json").unlink()
    with pytest.raises(SparsightError, match=r"no cfg\.json"):
        interchange.read(folder)
    whole = (folder / "sae_weights.safetensors").read_bytes()
    (folder / "sae_weights.safetensors").write_bytes(whole[: len(whole) // 2])
    (folder / "cfg.json").write_text(json.dumps({"architecture": "standard"}))
    with pytest.raises(SparsightError, match="damaged"):
        interchange.read(folder)
    tensors = common()
    tensors["W_enc"] = tensors["W_enc"].T
    with pytest.raises(SparsightError, match=r"'W_enc' .* is \[40, 12\] and not \[12, 40\]"):
        interchange.read(saelens(tmp_path / "turned", tensors, architecture="standard"))
    tensors = {**common(), "b_enc": torch.full((F,), torch.nan)}
    with pytest.raises(SparsightError, match="NaN"):
        interchange.read(saelens(tmp_path / "nan", tensors, architecture="standard"))


# --- written ---------------------------------------------------------------------------------------------------------


def ours(architecture: str | dict[str, Any], preprocess: list[str] | None = None) -> SAE:
    """An SAE with random weights, whose preprocessing has seen the samples."""
    parts = build("architecture", architecture)
    schema = Schema(n_inputs=D, n_targets=D if parts.targets else None)
    sae = SAE(schema, F, parts, preprocess=[build("preprocess", name) for name in preprocess or []])
    sae.preprocess.fit(lambda: iter([3 * X.float()]), schema)
    if sae.own_targets is not None:
        sae.own_targets.fit(lambda: iter([5 * X.float() + 1]), schema)
    dice = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in sae.named_parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=dice))
            if "threshold" in name:
                parameter.abs_()
        if isinstance(sae.activation, BatchTopK):
            sae.activation.threshold.fill_(0.5)
    return sae.eval()


PARTS: list[tuple[str | dict[str, Any], str]] = [
    ("relu_l1", "saelens"),
    ({"name": "topk", "k": K}, "saelens"),
    ({"name": "topk", "k": K}, "sparsify"),
    ({"name": "topk", "k": 3, "k_eval": K, "tied": True}, "sparsify"),
    ({"name": "group_max", "k": K}, "sparsify"),
    ({"name": "abs_topk", "k": K}, "saelens"),
    ("jumprelu", "saelens"),
    ("gated", "saelens"),
    ({"name": "batch_topk", "k": K}, "saelens"),
    ({"name": "matryoshka", "base": "topk"}, "saelens"),
    ({"name": "transcoder", "base": "jumprelu"}, "saelens"),
    ({"name": "skip_transcoder", "base": "relu_l1"}, "saelens"),
    ({"name": "skip_transcoder", "base": {"name": "topk", "k": K}}, "sparsify"),
]


@pytest.mark.parametrize("preprocess", [[], ["standardise"], ["centre", "scale"]], ids=str)
@pytest.mark.parametrize(("architecture", "format"), PARTS, ids=str)
def test_what_is_written_gives_the_same_when_it_is_read(
    tmp_path: Path, architecture: Any, format: str, preprocess: list[str]
) -> None:
    sae = ours(architecture, preprocess)
    interchange.write(sae, tmp_path / "out", format)
    sae = sae.double()
    agree(interchange.read(tmp_path / "out"), sae.transform(X).dense(), sae.reconstruct(X))


@pytest.mark.parametrize("name", sorted(set(names("architecture")) - {"crosscoder"}))
def test_sparsights_own_format_keeps_every_architecture(tmp_path: Path, name: str) -> None:
    sae = ours(name)
    interchange.write(sae, tmp_path / "out", "sparsight")
    again = interchange.read(tmp_path / "out")
    assert again.described() == sae.described()
    torch.testing.assert_close(again.reconstruct(X.float()), sae.reconstruct(X.float()), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("architecture", "preprocess", "format", "said"),
    [
        ("sigmoid_kl", [], "saelens", "puts its own through sigmoid"),
        ("stack", [], "saelens", "SAELens has no stack"),
        ("group_max", [], "saelens", "SAELens has no GroupMax"),
        ("relu_l1", [], "sparsify", "sparsify has no ReLU"),
        ("relu_l1", ["unit_norm"], "saelens", "cannot express the preprocessing UnitNorm"),
        ("matching_pursuit", ["scale"], "saelens", "folding a scale into them"),
        ("transcoder", [], "saelens", "no transcoder with TopK"),
        ("topk", [], "dictionary_learning", "read only"),
        ("topk", [], "saelenz", "did you mean 'saelens'"),
    ],
)
def test_what_a_system_cannot_express_is_refused_and_leaves_nothing(
    tmp_path: Path, architecture: str, preprocess: list[str], format: str, said: str
) -> None:
    with pytest.raises(SparsightError, match=said):
        interchange.write(ours(architecture, preprocess), tmp_path / "out", format)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    with pytest.raises(SparsightError, match="already something"):
        interchange.write(ours("topk"), tmp_path, "saelens")


# --- known answers ---------------------------------------------------------------------------------------------------


def identity(tmp_path: Path, *, shift: float = 0.0, scale: float = 1.0, **config: Any) -> SAE:
    """An autoencoder of 2 D features that rebuilds every sample exactly, after SAELens' scaling."""
    eye = torch.eye(D)
    b_dec = torch.full((D,), shift)
    both = torch.cat([eye, -eye])
    tensors = {"W_enc": both.T, "b_enc": torch.zeros(2 * D), "W_dec": both, "b_dec": b_dec}
    if scale != 1:  # thresholds make the size of samples matter
        tensors["threshold"] = torch.full((2 * D,), 0.05)
        config["architecture"] = "jumprelu"
    return interchange.read(saelens(tmp_path / "sae", tensors, d_sae=2 * D, **config))


def test_a_check_says_how_well_a_sample_is_rebuilt(tmp_path: Path) -> None:
    checked = interchange.check(identity(tmp_path, shift=0.3), X)
    assert checked.explained_variance == pytest.approx(1, abs=1e-6)
    assert checked.l0 == pytest.approx(D)
    assert not checked.notes
    assert "with 12.0 of 24 features" in str(checked)


def test_a_check_names_the_convention_of_b_dec_that_would_fit(tmp_path: Path) -> None:
    sae = identity(tmp_path, shift=6.0, apply_b_dec_to_input=False)  # its weights are of one that subtracts it
    with pytest.raises(SparsightError, match=r"worse than their mean.*explained if b_dec is subtracted before"):
        interchange.check(sae, X)


def test_a_check_names_the_scale_that_would_fit(tmp_path: Path) -> None:
    small = 0.01 * X
    sae = identity(tmp_path, scale=2)
    with pytest.raises(SparsightError, match="if the samples are multiplied by 9"):
        interchange.check(sae, small)


def test_a_check_refuses_other_data(tmp_path: Path) -> None:
    sae = identity(tmp_path)
    with pytest.raises(SparsightError, match="have 5 numbers, and the model takes 12"):
        interchange.check(sae, X[:, :5])
    with pytest.raises(SparsightError, match="rows of numbers"):
        interchange.check(sae, X[0])
    bad = X.clone()
    bad[3, 1] = torch.nan
    with pytest.raises(SparsightError, match="1 of 200 samples hold NaN"):
        interchange.check(sae, bad)
