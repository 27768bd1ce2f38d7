"""dictionary_learning."""

from pathlib import Path
from typing import Any

import torch

from sparsight.activations.batch_topk import BatchTopK
from sparsight.activations.gated import Gated
from sparsight.core import SAE
from sparsight.errors import SparsightError, did_you_mean
from sparsight.interchange._files import Named, settings
from sparsight.interchange._format import Format, Read, Weights, filled, set_threshold
from sparsight.spec import register

FILE, CONFIG = "ae.pt", "config.json"
CENTRED = {
    "AutoEncoder": True, "AutoEncoderNew": False, "GatedAutoEncoder": True, "JumpReluAutoEncoder": False,
    "AutoEncoderTopK": True, "BatchTopKSAE": True, "MatryoshkaBatchTopKSAE": True,
}  # fmt: skip
"""Whether each class subtracts its decoder's bias before the encoder."""


@register("interchange", "dictionary_learning")
class DictionaryLearning(Format):
    """The folder of a trainer, with `ae.pt` and `config.json`; it is read and not written.

    BatchTopK is encoded with its threshold, and TopK with the k largest, as the package does by default. Weights are
    taken as they are: its own `AutoEncoder.from_pretrained` brings decoder rows to length one.
    """

    def __init__(self) -> None: ...

    def opens(self, path: Path) -> bool:
        return (path / FILE).is_file()

    def read(self, path: Path) -> Read:
        config = settings(path / CONFIG).get("trainer")
        name = config.get("dict_class") if isinstance(config, dict) else None
        if name not in CENTRED:
            raise SparsightError(
                f"{str(path / CONFIG)!r} names the class {name!r}, which is not read; {did_you_mean(name, CENTRED)}"
            )
        named = Named(path / FILE)
        weights = _weights(named, name)
        n = weights.n_latents
        spec: dict[str, Any] = {"name": "relu_l1", "unit_rows": False}
        sae = None
        if name == "GatedAutoEncoder":
            r, gate, magnitude = (named.take(key, n) for key in ("r_mag", "gate_bias", "mag_bias"))
            moved = Weights(W_enc=weights.W_enc, b=weights.b + gate, W_dec=weights.W_dec, b_dec=weights.b_dec)
            sae = filled({"name": "gated", "unit_rows": False}, moved)
            assert isinstance(sae.activation, Gated)
            with torch.no_grad():
                sae.activation.r.copy_(r)
                sae.activation.b.copy_(magnitude - r.exp() * gate)
        elif name == "JumpReluAutoEncoder":
            sae = filled({"name": "jumprelu", "unit_rows": False}, weights)
            set_threshold(sae, named.take("threshold", n))
        elif "TopK" in name:
            sae = _topk(named, name, weights)
        named.finish(f"{name} of dictionary_learning")
        return Read(sae=sae or filled(spec, weights))


def _topk(named: Named, name: str, weights: Weights) -> SAE:
    k, threshold = int(named.take("k")), named.take("threshold")
    if name == "AutoEncoderTopK":
        return filled({"name": "topk", "k": k, "unit_rows": False}, weights)
    spec: dict[str, Any] = {"name": "batch_topk", "k": float(k)}
    if name == "MatryoshkaBatchTopKSAE":
        sizes = named.take("group_sizes", None)
        spec = {"name": "matryoshka", "base": spec, "prefixes": [int(end) for end in sizes.cumsum(0)]}
    sae = filled(spec, weights)
    assert isinstance(sae.activation, BatchTopK)
    sae.activation.threshold.copy_(threshold)
    return sae


def _weights(named: Named, name: str) -> Weights:
    if "W_enc" in named.left:
        W_dec = named.take("W_dec", None, None)
        W_enc = named.take("W_enc", W_dec.shape[1], len(W_dec)).T
        b, b_dec = named.take("b_enc", len(W_dec)), named.take("b_dec", W_dec.shape[1])
    else:
        W_enc = named.take("encoder.weight", None, None)
        n_latents, width = W_enc.shape
        W_dec = named.take("decoder.weight", width, n_latents).T
        b = W_enc.new_zeros(n_latents) if name == "GatedAutoEncoder" else named.take("encoder.bias", n_latents)
        biases = ("bias", "decoder.bias", "decoder_bias", "b_dec")
        b_dec = named.take(next((bias for bias in biases if bias in named.left), "b_dec"), width)
    if CENTRED[name]:
        b = b - W_enc @ b_dec
    return Weights(W_enc=W_enc, b=b, W_dec=W_dec, b_dec=b_dec)
