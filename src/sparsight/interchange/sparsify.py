"""EleutherAI's sparsify."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save

from sparsight.activations.group_max import GroupMax
from sparsight.activations.topk import TopK
from sparsight.core import SAE
from sparsight.errors import SparsightError
from sparsight.interchange._files import Named, settings
from sparsight.interchange._format import Format, Read, Weights, filled, raw_weights
from sparsight.run import write
from sparsight.spec import register

WEIGHTS, CONFIG = "sae.safetensors", "cfg.json"
MULTI = (
    "it was trained with multi_topk: sparsify's own forward pass then gives the 4 k largest codes, and encode the k "
    "largest, as here"
)
ITSELF = "its way past the codes makes it a transcoder here: data for it need targets, which may be the inputs"


@register("interchange", "sparsify")
class Sparsify(Format):
    """The folder of one hook point, with `cfg.json` and `sae.safetensors` (sparsify 1).

    It has topk and groupmax, and targets of the width of the inputs; nothing else can be written. Files with `signed`,
    from early versions, are not read.
    """

    def __init__(self) -> None: ...

    def opens(self, path: Path) -> bool:
        return (path / WEIGHTS).is_file()

    def read(self, path: Path) -> Read:
        config, named = settings(path / CONFIG), Named(path / WEIGHTS)
        kind, k = config.get("activation", "topk"), config.get("k")
        if config.get("signed"):
            raise SparsightError(f"{str(path)!r} is of an early version of sparsify (signed), which is not read")
        if kind not in ("topk", "groupmax") or not isinstance(k, int) or isinstance(k, bool):
            raise SparsightError(f"{str(path / CONFIG)!r} has activation {kind!r} and k {k!r}: they are not known")
        W_enc = named.take("encoder.weight", None, None)
        n_latents, width = W_enc.shape
        b, W_dec = named.take("encoder.bias", n_latents), named.take("W_dec", n_latents, width)
        b_dec = named.take("b_dec", width)
        skip = named.take("W_skip", width, width) if config.get("skip_connection") else None
        named.finish("a sparse coder of sparsify")
        transcodes = bool(config.get("transcode"))
        if not transcodes:
            b = b - W_enc @ b_dec
        base: dict[str, Any] = (
            {"name": "topk", "k": k, "unit_rows": False} if kind == "topk" else {"name": "group_max", "k": k}
        )
        architecture = base
        if transcodes or skip is not None:
            architecture = {"name": "transcoder" if skip is None else "skip_transcoder", "base": base}
        sae = filled(architecture, Weights(W_enc=W_enc, b=b, W_dec=W_dec, b_dec=b_dec, W_skip=skip))
        notes = [MULTI] if config.get("multi_topk") else []
        if skip is not None and not transcodes:
            notes.append(ITSELF)
        return Read(sae=sae, notes=tuple(notes))

    def write(self, sae: SAE, folder: Path) -> tuple[str, ...]:
        weights, activation = raw_weights(sae, "sparsify"), sae.activation
        if not isinstance(activation, TopK | GroupMax):
            raise SparsightError(
                f"sparsify has no {type(activation).__name__} ({sae.architecture['name']}), only topk and groupmax: "
                "write saelens or sparsight"
            )
        transcodes = sae.schema.n_targets is not None
        if transcodes and sae.schema.n_targets != sae.n_inputs:
            raise SparsightError(
                f"sparsify has targets of the width of the inputs only, and these are {sae.schema.n_targets} and "
                f"{sae.n_inputs}: keep the model as sparsight"
            )
        tensors = {
            "encoder.weight": weights.W_enc,
            "encoder.bias": weights.b if transcodes else weights.b_enc,
            "W_dec": weights.W_dec,
            "b_dec": weights.b_dec,
            **({} if weights.W_skip is None else {"W_skip": weights.W_skip}),
        }
        config = {
            "activation": "topk" if isinstance(activation, TopK) else "groupmax",
            "expansion_factor": max(1, sae.n_latents // sae.n_inputs),
            "normalize_decoder": False,
            "num_latents": sae.n_latents,
            "k": (activation.k_eval or activation.k) if isinstance(activation, TopK) else activation.k,
            "multi_topk": False,
            "skip_connection": weights.W_skip is not None,
            "transcode": transcodes,
            "d_in": sae.n_inputs,
        }
        write(folder / WEIGHTS, save({name: value.float().contiguous() for name, value in tensors.items()}))
        write(folder / CONFIG, (json.dumps(config, indent=1) + "\n").encode())
        return ()
