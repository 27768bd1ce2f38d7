"""SAELens."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

import sparsight
from sparsight.activations.abs_topk import AbsTopK
from sparsight.activations.batch_topk import BatchTopK
from sparsight.activations.gated import Gated
from sparsight.activations.jumprelu import JumpReLU
from sparsight.activations.pursuit import Pursuit
from sparsight.activations.relu import ReLU
from sparsight.activations.topk import TopK
from sparsight.core import SAE
from sparsight.errors import SparsightError, did_you_mean
from sparsight.interchange._files import Named, settings
from sparsight.interchange._format import Format, Read, Weights, filled, raw_weights, set_threshold
from sparsight.run import write
from sparsight.spec import register

WEIGHTS, CONFIG = "sae_weights.safetensors", "cfg.json"
SCALER, WHITENING = "activation_scaler.json", "activation_whitening.safetensors"
VERSION = "6.54.0"
"""Of the files that are written."""
ITSELF = ("layer_norm", "constant_norm_rescale")
"""Normalisations of each sample by itself."""


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """What was read: an architecture of ours, its weights, and what sets its activation."""

    architecture: dict[str, Any]
    weights: Weights
    finish: Callable[[SAE], None] = lambda sae: None


@register("interchange", "saelens")
class SAELens(Format):
    """A folder with `cfg.json` and `sae_weights.safetensors` (SAELens 6, and the settings of earlier versions).

    What training scaled or whitened is folded in, where the folder says by how much. It cannot express samples that are
    normalised each by itself (`layer_norm`, `constant_norm_rescale`), since their reconstruction needs the sample, nor
    `temporal`, whose codes depend on the samples before.
    """

    def __init__(self) -> None: ...

    def opens(self, path: Path) -> bool:
        return (path / WEIGHTS).is_file()

    def read(self, path: Path) -> Read:
        config = _modern(settings(path / CONFIG))
        _refuse(config, path)
        named = Named(path / WEIGHTS)
        layer = _LAYERS[config["architecture"]](config, named)
        named.finish(f"the architecture {config['architecture']} of SAELens")
        layer, notes = _scaled(layer, config, path)
        sae = filled(layer.architecture, layer.weights)
        with torch.no_grad():
            layer.finish(sae)
        return Read(sae=sae, notes=notes)

    def write(self, sae: SAE, folder: Path) -> tuple[str, ...]:
        weights = raw_weights(sae, "SAELens")
        architecture, tensors, knobs, notes = _theirs(sae, weights)
        held: dict[str, Tensor] = {"W_dec": weights.W_dec, "b_dec": weights.b_dec, **tensors}
        if architecture != "matching_pursuit":
            held["W_enc"] = weights.W_enc.T
        targets = sae.schema.n_targets
        config = {
            "architecture": architecture,
            "d_in": sae.n_inputs,
            "d_sae": sae.n_latents,
            **({} if targets is None else {"d_out": targets}),
            **knobs,
            "dtype": "float32",
            "device": "cpu",
            "apply_b_dec_to_input": targets is None,
            "normalize_activations": "none",
            "reshape_activations": "none",
            "metadata": {"sae_lens_version": VERSION, "sparsight_version": sparsight.__version__},
        }
        write(folder / WEIGHTS, save({name: value.float().contiguous() for name, value in held.items()}))
        write(folder / CONFIG, (json.dumps(config, indent=1) + "\n").encode())
        return notes


# --- reading ---------------------------------------------------------------------------------------------------------


def _modern(config: dict[str, Any]) -> dict[str, Any]:
    """Settings as SAELens 6 has them; before, selection was an activation function, and normalisation yes or no."""
    metadata = config.get("metadata")
    version = config.get("sae_lens_version") or (metadata if isinstance(metadata, dict) else {}).get("sae_lens_version")
    if not str(version or 0).partition(".")[0].isdigit() or int(str(version or 0).partition(".")[0]) < 6:
        config = {"activation_fn": config.get("activation_fn_str", "relu"), **config}
        k = (config.get("activation_fn_kwargs") or {}).get("k")
        if config["activation_fn"] == "topk" and k is not None:
            config |= {"architecture": "topk", "k": k}
        normalised = config.get("normalize_activations")
        if isinstance(normalised, bool):
            config["normalize_activations"] = "expected_average_only_in" if normalised else "none"
    config.setdefault("architecture", "standard")
    config.setdefault("apply_b_dec_to_input", True)
    config["normalize_activations"] = config.get("normalize_activations") or "none"
    return config


def _refuse(config: dict[str, Any], path: Path) -> None:
    """Raise where the model cannot be expressed."""
    architecture, normalised = config["architecture"], config["normalize_activations"]
    if architecture == "temporal":
        raise SparsightError(
            f"{str(path)!r} is a temporal SAE: its codes depend on the samples before, and ours on one sample alone"
        )
    if architecture not in _LAYERS:
        raise SparsightError(
            f"{str(path)!r} has the architecture {architecture!r} of SAELens, which is not read; "
            f"{did_you_mean(architecture, _LAYERS)}"
        )
    if normalised in ITSELF:
        raise SparsightError(
            f"{str(path)!r} normalises each sample by itself ({normalised}), so that its reconstruction cannot be had "
            "from the codes alone: normalise the data so yourself, and set normalize_activations to none in cfg.json"
        )
    if normalised not in ("none", "expected_average_only_in", "covariance_whitening"):
        raise SparsightError(f"{str(path)!r} has normalize_activations={normalised!r}, which is not known")


def _layer(config: dict[str, Any], named: Named, architecture: dict[str, Any], bias: str = "b_enc") -> _Layer:
    """An autoencoder or transcoder with an encoder and a decoder of its own."""
    W_dec = named.take("W_dec", None, None)
    n_latents, width = W_dec.shape
    transcodes = "transcoder" in config["architecture"]
    W_enc = named.take("W_enc", None if transcodes else width, n_latents).T
    b, b_dec = named.take(bias, n_latents), named.take("b_dec", width)
    if config["apply_b_dec_to_input"] and not transcodes:
        b = b - W_enc @ b_dec
    if "scaling_factor" in named.left:  # of a fine-tuning before version 6: codes are multiplied by it in the decoder
        W_dec = W_dec * named.take("scaling_factor", n_latents)[:, None]
    if config.get("rescale_acts_by_decoder_norm", "batchtopk" in config["architecture"]):
        norm = W_dec.norm(dim=1).clamp_min(1e-8)
        W_enc, b, W_dec = W_enc * norm[:, None], b * norm, W_dec / norm[:, None]
    skip = named.take("W_skip", width, W_enc.shape[1]) if "skip" in config["architecture"] else None
    if transcodes:
        architecture = {"name": "transcoder" if skip is None else "skip_transcoder", "base": architecture}
    return _Layer(architecture=architecture, weights=Weights(W_enc=W_enc, b=b, W_dec=W_dec, b_dec=b_dec, W_skip=skip))


def _standard(config: dict[str, Any], named: Named) -> _Layer:
    return _layer(config, named, {"name": "relu_l1", "unit_rows": False})


def _topk(config: dict[str, Any], named: Named) -> _Layer:
    return _layer(config, named, {"name": "topk", "unit_rows": False, "k": _number(config, "k")})


def _abstopk(config: dict[str, Any], named: Named) -> _Layer:
    return _layer(config, named, {"name": "abs_topk", "k": _number(config, "k")})


def _jumprelu(config: dict[str, Any], named: Named) -> _Layer:
    layer = _layer(config, named, {"name": "jumprelu", "unit_rows": False})
    in_logarithms = "log_threshold" in named.left
    threshold = named.take("log_threshold" if in_logarithms else "threshold", layer.weights.n_latents)
    return replace(layer, finish=lambda sae: set_threshold(sae, threshold.exp() if in_logarithms else threshold))


def _gated(config: dict[str, Any], named: Named) -> _Layer:
    gate = named.held["b_gate"].double() if "b_gate" in named.held else None
    layer = _layer(config, named, {"name": "gated", "unit_rows": False}, bias="b_gate")
    r, b = (named.take(name, layer.weights.n_latents) for name in ("r_mag", "b_mag"))

    def finish(sae: SAE) -> None:
        assert isinstance(sae.activation, Gated) and gate is not None
        sae.activation.r.copy_(r)
        sae.activation.b.copy_(b - r.exp() * gate)

    return replace(layer, finish=finish)


def _batchtopk(config: dict[str, Any], named: Named) -> _Layer:
    architecture: dict[str, Any] = {"name": "batch_topk", "k": _number(config, "k")}
    if config["architecture"] == "matryoshka_batchtopk":
        architecture = {"name": "matryoshka", "base": architecture}
        if config.get("matryoshka_widths"):
            architecture["prefixes"] = list(config["matryoshka_widths"])
    layer = _layer(config, named, architecture)
    threshold = named.take("topk_threshold")

    def finish(sae: SAE) -> None:
        assert isinstance(sae.activation, BatchTopK)
        sae.activation.threshold.copy_(threshold)

    return replace(layer, finish=finish)


def _matching_pursuit(config: dict[str, Any], named: Named) -> _Layer:
    W_dec = named.take("W_dec", None, None)
    b_dec = named.take("b_dec", W_dec.shape[1]) * bool(config["apply_b_dec_to_input"])
    steps = config.get("max_iterations")
    architecture = {
        "name": "matching_pursuit",
        "k": W_dec.shape[1] if steps is None else steps,
        "tolerance": max(0.0, float(config.get("residual_threshold", 1e-2))),
        "repeat": not config.get("stop_on_duplicate_support", True),
    }
    return _Layer(architecture=architecture, weights=Weights(W_enc=W_dec, b=-W_dec @ b_dec, W_dec=W_dec, b_dec=b_dec))


_LAYERS: dict[str, Callable[[dict[str, Any], Named], _Layer]] = {
    "standard": _standard,
    "topk": _topk,
    "abstopk": _abstopk,
    "jumprelu": _jumprelu,
    "gated": _gated,
    "batchtopk": _batchtopk,
    "matryoshka_batchtopk": _batchtopk,
    "matching_pursuit": _matching_pursuit,
    "transcoder": _standard,
    "skip_transcoder": _standard,
    "jumprelu_transcoder": _jumprelu,
    "jumprelu_skip_transcoder": _jumprelu,
}


def _number(config: dict[str, Any], key: str) -> Any:
    value = config.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SparsightError(f"{key} is {value!r} in cfg.json of SAELens, and must be a number")
    return value


def _scaled(layer: _Layer, config: dict[str, Any], path: Path) -> tuple[_Layer, tuple[str, ...]]:
    """The layer as it acts on raw samples, and notes."""
    notes: tuple[str, ...] = ()
    if config.get("reshape_activations", "none") == "hook_z":
        notes = ("its samples are the heads of an attention layer, side by side: flatten them to [n, heads · width]",)
    normalised = config["normalize_activations"]
    if normalised == "none":
        return layer, notes
    if "transcoder" in config["architecture"] or (
        normalised == "covariance_whitening" and config["architecture"] == "matching_pursuit"
    ):
        raise SparsightError(f"{str(path)!r}: {normalised} cannot be folded into a {config['architecture']}")
    if normalised == "covariance_whitening":
        return _whitened(layer, path), notes
    scale = settings(path / SCALER).get("scaling_factor") if (path / SCALER).is_file() else None
    if not isinstance(scale, float | int) or not scale > 0:
        return layer, (
            *notes,
            "in training its samples were multiplied by one number, so that their mean length is √D, and the folder "
            "does not say by which: unless that was folded into the weights, multiply yours as well",
        )
    weights, architecture = layer.weights, layer.architecture
    if architecture["name"] == "matching_pursuit":  # its filters are its rows: it is the codes that are scaled
        architecture = {**architecture, "tolerance": architecture["tolerance"] / scale}
        weights = replace(weights, b=weights.b / scale, b_dec=weights.b_dec / scale)
    else:
        weights = replace(
            weights, W_enc=weights.W_enc * scale, W_dec=weights.W_dec / scale, b_dec=weights.b_dec / scale
        )
    return replace(layer, weights=weights, architecture=architecture), notes


def _whitened(layer: _Layer, path: Path) -> _Layer:
    """Samples were (x − mean) M and reconstructions y M⁻¹ + mean (arXiv:2511.13981)."""
    if not (path / WHITENING).is_file():
        raise SparsightError(f"{str(path)!r} was trained on whitened samples, and there is no {WHITENING} to undo that")
    weights, named = layer.weights, Named(path / WHITENING)
    d = weights.W_enc.shape[1]
    mean, matrix, inverse = named.take("mean", d), named.take("matrix", d, d), named.take("inverse_matrix", d, d)
    W_enc = weights.W_enc @ matrix.T
    folded = Weights(
        W_enc=W_enc, b=weights.b - W_enc @ mean, W_dec=weights.W_dec @ inverse, b_dec=weights.b_dec @ inverse + mean
    )
    return replace(layer, weights=folded)


# --- writing ---------------------------------------------------------------------------------------------------------


def _theirs(sae: SAE, weights: Weights) -> tuple[str, dict[str, Tensor], dict[str, Any], tuple[str, ...]]:
    """The architecture of SAELens, its tensors but for the common ones, its settings, and notes."""
    activation, targets = sae.activation, sae.schema.n_targets is not None
    bias = weights.b if targets else weights.b_enc
    skip = {} if weights.W_skip is None else {"W_skip": weights.W_skip}
    suffix = "transcoder" if weights.W_skip is None else "skip_transcoder"
    if isinstance(activation, BatchTopK) and activation.threshold.isnan():
        raise SparsightError("a batch_topk that was never trained has no threshold: SAELens cannot have it")
    if isinstance(activation, ReLU):
        return (suffix if targets else "standard"), {"b_enc": bias, **skip}, {}, ()
    if isinstance(activation, JumpReLU | BatchTopK):
        threshold = activation.fires_above() if isinstance(activation, JumpReLU) else activation.threshold.relu()
        threshold = threshold.detach().cpu().double().expand(sae.n_latents)
        notes = () if isinstance(activation, JumpReLU) else ("it is a jumprelu there, with one threshold for all",)
        name = f"jumprelu_{suffix}" if targets else "jumprelu"
        return name, {"b_enc": bias, "threshold": threshold, **skip}, {}, notes
    if targets:
        raise SparsightError(f"SAELens has no transcoder with {type(activation).__name__}: only ReLU and JumpReLU")
    if isinstance(activation, TopK):
        k = activation.k_eval or activation.k
        return "topk", {"b_enc": bias}, {"k": k, "rescale_acts_by_decoder_norm": False}, ()
    if isinstance(activation, AbsTopK):
        return "abstopk", {"b_enc": bias}, {"k": activation.k, "rescale_acts_by_decoder_norm": False}, ()
    if isinstance(activation, Gated):
        r = activation.r.detach().cpu().double()
        b_mag = activation.b.detach().cpu().double() + r.exp() * bias
        return "gated", {"b_gate": bias, "r_mag": r, "b_mag": b_mag}, {}, ()
    if isinstance(activation, Pursuit):
        knobs = {
            "residual_threshold": activation.tolerance,
            "max_iterations": activation.k,
            "stop_on_duplicate_support": not activation.repeat,
        }
        return "matching_pursuit", {}, knobs, ()
    raise SparsightError(
        f"SAELens has no {type(activation).__name__} ({sae.architecture['name']}): keep the model as sparsight"
    )
