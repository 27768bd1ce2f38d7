"""Whether weights of SAELens and sparsify mean the same here: each package writes and reads what ours reads and writes.

    OMP_NUM_THREADS=1 PYTHONPATH=src:benchmarks .venv-bench/bin/python benchmarks/interchange.py

Every architecture gets random weights. A row is the largest difference of codes and of reconstructions, over 500
samples: of a folder that the package wrote and ours reads, and of one that ours writes and the package reads. Files are
float32, and both compute in float64, lest two pre-activations that are nearly equal change places among the k largest.
"""

import copy
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from sae_lens import SAE as SAELensSAE  # noqa: N811
from sae_lens.registry import get_sae_class, get_sae_training_class
from sae_lens.training.activation_scaler import ActivationScaler
from systems import without_init
from torch import Tensor

from sparsight import interchange
from sparsight.core import SAE

without_init("sparsify")
without_init("dictionary_learning")

from dictionary_learning.dictionary import (  # noqa: E402
    AutoEncoder,
    AutoEncoderNew,
    GatedAutoEncoder,
    JumpReluAutoEncoder,
)
from dictionary_learning.trainers.batch_top_k import BatchTopKSAE  # noqa: E402
from dictionary_learning.trainers.matryoshka_batch_top_k import MatryoshkaBatchTopKSAE  # noqa: E402
from dictionary_learning.trainers.top_k import AutoEncoderTopK  # noqa: E402
from sparsify.config import SparseCoderConfig  # noqa: E402
from sparsify.sparse_coder import SparseCoder  # noqa: E402

D, F, K, N = 32, 96, 6, 500
LIMIT = 1e-5
Outputs = tuple[Tensor, Tensor]

SAELENS: list[tuple[str, dict[str, Any]]] = [
    ("standard", {}),
    ("standard", {"apply_b_dec_to_input": False}),
    ("standard", {"reshape_activations": "none", "normalize_activations": "expected_average_only_in"}),
    ("topk", {"k": K}),
    ("topk", {"k": K, "rescale_acts_by_decoder_norm": True}),
    ("topk", {"k": K, "apply_b_dec_to_input": False}),
    ("abstopk", {"k": K}),
    ("jumprelu", {}),
    ("jumprelu", {"apply_b_dec_to_input": False}),
    ("gated", {}),
    ("gated", {"apply_b_dec_to_input": False}),
    ("matching_pursuit", {}),
    ("matching_pursuit", {"max_iterations": 10, "residual_threshold": 2.0}),
    ("matching_pursuit", {"max_iterations": 50, "residual_threshold": 0.0, "stop_on_duplicate_support": False}),
    ("matching_pursuit", {"apply_b_dec_to_input": False}),
    ("transcoder", {"d_out": 20, "apply_b_dec_to_input": False}),
    ("skip_transcoder", {"d_out": 20, "apply_b_dec_to_input": False}),
    ("jumprelu_transcoder", {"d_out": 20, "apply_b_dec_to_input": False}),
    ("jumprelu_skip_transcoder", {"d_out": 20, "apply_b_dec_to_input": False}),
]
"""Of SAELens' inference."""
TRAINING: list[tuple[str, dict[str, Any]]] = [
    ("standard", {}),
    ("topk", {"k": K}),
    ("abstopk", {"k": K}),
    ("jumprelu", {}),
    ("gated", {}),
    ("batchtopk", {"k": K}),
    ("batchtopk", {"k": K, "rescale_acts_by_decoder_norm": False}),
    ("matryoshka_batchtopk", {"k": K, "matryoshka_widths": [24, 48, F]}),
    ("matching_pursuit", {}),
]
"""Of its training: as checkpoints are written, and as they are for inference."""
SPARSIFY: list[dict[str, Any]] = [
    {"activation": activation, "transcode": transcode, "skip_connection": skip, "multi_topk": multi}
    for activation in ("topk", "groupmax")
    for transcode in (False, True)
    for skip in (False, True)
    for multi in ((False, True) if not transcode and not skip else (False,))
]


DICTIONARIES: list[tuple[Any, dict[str, Any]]] = [
    (AutoEncoder, {}),
    (AutoEncoderNew, {}),
    (GatedAutoEncoder, {}),
    (JumpReluAutoEncoder, {}),
    (AutoEncoderTopK, {"k": K}),
    (BatchTopKSAE, {"k": K}),
    (MatryoshkaBatchTopKSAE, {"k": K, "group_sizes": [24, 24, F - 48]}),
]
"""Of dictionary_learning, which ours only reads."""


@torch.no_grad()
def scrambled(module: Any) -> Any:
    """Every parameter at random, thresholds and all; rows of a pursuit of length one."""
    pursuit = "MatchingPursuit" in type(module).__name__
    for name, parameter in module.named_parameters():
        parameter.copy_(0.3 * torch.randn_like(parameter))
        if "threshold" in name and "log" not in name:
            parameter.copy_(torch.rand_like(parameter) - 0.2)
        if name == "W_dec" and pursuit:
            parameter.copy_(torch.nn.functional.normalize(parameter, dim=1))
    if hasattr(module, "topk_threshold"):
        module.topk_threshold.fill_(0.7)
    return module.eval()


@torch.no_grad()
def of_saelens(module: Any, x: Tensor) -> Outputs:
    module = module.to(torch.float64).eval()
    return module.encode(x), module(x)


@torch.no_grad()
def of_sparsify(coder: SparseCoder, x: Tensor) -> Outputs:
    values, index, _ = coder.double().encode(x)
    recon = coder.decode(values, index)
    if coder.W_skip is not None:
        recon = recon + x @ coder.W_skip.mT
    return x.new_zeros(len(x), coder.num_latents).scatter(1, index, values), recon


@torch.no_grad()
def of_dictionary(dictionary: Any, x: Tensor) -> Outputs:
    codes = dictionary.double().encode(x)
    return codes, dictionary.decode(codes)


@torch.no_grad()
def of_ours(sae: SAE, x: Tensor) -> Outputs:
    sae = copy.deepcopy(sae).double()
    return sae.transform(x).dense(), sae.reconstruct(x)


def difference(left: Outputs, right: Outputs) -> tuple[float, float]:
    codes, recon = (float((a - b).abs().max()) for a, b in zip(left, right, strict=True))
    return codes, recon


def both(
    x: Tensor, wrote: Path, theirs: Outputs, system: str, load: Callable[[Path], Outputs]
) -> Iterator[tuple[float, float] | str]:
    """The differences of a folder that was read, and of the same model written and read by the package."""
    sae = interchange.read(wrote)
    ours = of_ours(sae, x)
    yield difference(ours, theirs)
    try:
        interchange.write(sae, wrote.parent / "ours", system)
    except ValueError as error:
        yield str(error)
    else:
        yield difference(ours, load(wrote.parent / "ours"))


def named(name: str, knobs: dict[str, Any]) -> str:
    shown = ", ".join(f"{k}={v}" for k, v in knobs.items() if k not in ("k", "d_out"))
    return f"{name} ({shown})" if shown and "transcoder" not in name else name


def rows(folder: Path, x: Tensor) -> Iterator[tuple[str, Any, Any]]:
    def saelens(path: Path) -> Outputs:
        return of_saelens(SAELensSAE.load_from_disk(path), x)

    def sparsify(path: Path) -> Outputs:
        return of_sparsify(SparseCoder.load_from_disk(path), x)

    for n, (name, knobs) in enumerate(SAELENS):
        kind, config = get_sae_class(name)
        module = scrambled(kind(config(d_in=D, d_sae=F, **knobs)))
        module.save_model(folder / f"l{n}" / "theirs")
        yield (
            named(f"SAELens {name}", knobs),
            *both(x, folder / f"l{n}/theirs", of_saelens(module, x), "saelens", saelens),
        )
    for n, (name, knobs) in enumerate(TRAINING):
        kind, config = get_sae_training_class(name)
        module = scrambled(kind(config(d_in=D, d_sae=F, **knobs)))
        module.save_inference_model(folder / f"i{n}" / "inference")
        module.save_model(folder / f"i{n}" / "theirs")
        theirs = saelens(folder / f"i{n}" / "inference")
        yield named(f"SAELens {name}, checkpoint", knobs), *both(x, folder / f"i{n}/theirs", theirs, "saelens", saelens)
    for n, normalised in enumerate(("expected_average_only_in", "covariance_whitening")):
        kind, config = get_sae_training_class("gated")
        module = scrambled(kind(config(d_in=D, d_sae=F, normalize_activations=normalised)))
        place = folder / f"n{n}" / "theirs"
        module.save_model(place)
        scaler, data = ActivationScaler(), iter([x.float()] * 3)
        if normalised == "covariance_whitening":
            scaler.estimate_whitening(D, data, n_batches_for_norm_estimate=3)
            assert scaler.whitening is not None
            module.fold_activation_whitening(
                scaler.whitening.mean, scaler.whitening.matrix, scaler.whitening.inverse_matrix
            )
        else:
            scaler.estimate_scaling_factor(D, data, n_batches_for_norm_estimate=3)
            assert scaler.scaling_factor is not None
            module.fold_activation_norm_scaling_factor(scaler.scaling_factor)
        scaler.save(str(place / "activation_scaler.json"))
        module.save_inference_model(place.parent / "inference")
        theirs = saelens(place.parent / "inference")
        yield f"SAELens gated, checkpoint ({normalised})", *both(x, place, theirs, "saelens", saelens)
    for n, knobs in enumerate(SPARSIFY):
        coder = scrambled(SparseCoder(D, SparseCoderConfig(num_latents=F, k=K, **knobs)))
        coder.save_to_disk(folder / f"s{n}" / "theirs")
        name = " ".join([knobs["activation"], *(key for key, value in knobs.items() if value is True)])
        yield f"sparsify {name}", *both(x, folder / f"s{n}/theirs", of_sparsify(coder, x), "sparsify", sparsify)

    for n, (kind, knobs) in enumerate(DICTIONARIES):
        dictionary = scrambled(kind(activation_dim=D, dict_size=F, **knobs))
        if kind in (BatchTopKSAE, MatryoshkaBatchTopKSAE):
            dictionary.threshold.fill_(0.7)
        place = folder / f"d{n}" / "theirs"
        place.mkdir(parents=True)
        torch.save(dictionary.state_dict(), place / "ae.pt")
        (place / "config.json").write_text(json.dumps({"trainer": {"dict_class": kind.__name__, **knobs}}))
        ours = of_ours(interchange.read(place), x)
        yield f"dictionary_learning {kind.__name__}", difference(ours, of_dictionary(dictionary, x)), ""


def main() -> None:
    torch.manual_seed(0)
    x = 2 * torch.randn(N, D, dtype=torch.float64) + 0.5
    worst = 0.0
    print(f"{'':72} {'read: codes':>12} {'recon':>9} {'written: codes':>15} {'recon':>9}")
    with tempfile.TemporaryDirectory() as place:
        for name, read, written in rows(Path(place), x):
            worst = max([worst, *read, *(() if isinstance(written, str) else written)])
            back = written if isinstance(written, str) else f"{written[0]:15.1e} {written[1]:9.1e}"
            print(f"{name:72} {read[0]:12.1e} {read[1]:9.1e} {back}")
    print(f"\nlargest difference {worst:.1e}, allowed {LIMIT:.0e}")
    sys.exit(worst > LIMIT)


if __name__ == "__main__":
    main()
