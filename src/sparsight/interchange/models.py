"""Models from anywhere as `core.Model`: ours, modules of torch, pairs of functions, arrays, files."""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sparsight.core import SAE, Codes, Model
from sparsight.errors import SparsightError
from sparsight.interchange._calling import Place, as_codes, either, rows_of
from sparsight.interchange._roles import collected, roles
from sparsight.interchange.arrays import arrays
from sparsight.interchange.folders import format_of, opened
from sparsight.interchange.known_answer import explained, sample
from sparsight.layers.linear import LinearEncoder
from sparsight.run import Run

SEEN = 32
"""Samples on which a module or a function is tried."""
EXACT = 1e-4
"""How far what is computed from weights may be from what a module says, in shares of its size."""


def model(anything: Any, data: Any = None, activation: str | None = None, output: str | None = None) -> Model:
    """A model as far as it can be looked at, wherever it was trained.

    Args:
        anything: a run or its folder, an SAE, the folder or file of another system, a module of torch, a pair of
            functions (encode, decode), arrays by name or in a file, an estimator of scikit-learn, or a `Model`.
        data: samples, as `arrays` takes them: needed for modules, functions and arrays.
        activation: of arrays, where it is known.
        output: of arrays, where it is known.

    Raises:
        SparsightError: it is none of these, data are needed, or what it does cannot be found out.
    """
    if isinstance(anything, Model):
        return anything
    if isinstance(anything, SAE):
        return model_of(anything)
    if isinstance(anything, Run):
        return model_of(anything.sae())
    if isinstance(anything, str | Path) and (Path(anything).is_dir() or format_of(anything) is not None):
        read = opened(anything)
        return model_of(read.sae, notes=read.notes)
    if data is None:
        raise SparsightError("what these weights do is found out from samples: give some of the data")
    if isinstance(anything, nn.Module) or (
        isinstance(anything, Sequence) and len(anything) == 2 and all(map(callable, anything))
    ):
        return model_of_module(anything, data)
    return arrays(anything, data, activation, output)


def model_of(sae: SAE, *, notes: Sequence[str] = ()) -> Model:
    """An SAE as a `Model`: raw samples to codes and back, its filters in raw units.

    Where the encoder is linear, `b_enc` is that of raw samples: pre = W_enc x + b_enc.
    """
    linear = isinstance(sae.encoder, LinearEncoder)
    with torch.no_grad():
        filters = sae.filters()
        zero = sae.b_dec.new_zeros(1, sae.n_inputs)
        b_enc = sae.pre(sae.preprocess(zero))[0].detach().cpu() if linear else None
        b_dec = sae.b_dec.detach()
        if sae.output == "identity":
            b_dec = sae.in_raw_units(b_dec[None])[0]

    @torch.no_grad()
    def encode(x: Tensor) -> Codes:
        return sae.transform(x.to(sae.b_dec))

    @torch.no_grad()
    def decode(codes: Codes, x: Tensor) -> Tensor:
        raw = x.to(sae.b_dec)
        return sae.in_raw_units(sae.decode(codes, sae.preprocess(raw)), raw)

    @torch.no_grad()
    def prepare(x: Tensor) -> Tensor:
        return sae.preprocess(x.to(sae.b_dec)).cpu()

    return Model(
        encode=encode,
        decode=decode,
        prepare=prepare,
        W_enc=filters["encoder"],
        W_dec=filters["decoder"],
        b_enc=b_enc,
        b_dec=b_dec.cpu(),
        bounds=sae.activation.bounds,
        activation=type(sae.activation).__name__.lower(),
        output=None if list(sae.preprocess_targets) else sae.output,
        notes=tuple(notes),
    )


def model_of_module(module: Any, data: Any) -> Model:
    """A module of torch, or a pair of functions in torch or NumPy, as a `Model`.

    A module must have `encode` and `decode`, or the parts `encoder` and `decoder`, or a forward pass that gives
    reconstruction and codes in either order. Codes may be dense, sparse, `Codes`, or values with their indices. It is
    called on [n, D] float32, as its parameters are placed, in evaluation mode. Weights are found among its parameters
    by name and shape, and kept where they explain what the functions do.

    Args:
        module: the module, or (encode, decode); decode may be None.
        data: a source, rows of numbers, or the path of data.

    Raises:
        SparsightError: it cannot be called so, or what it gives are no codes.
    """
    x, _ = sample(data, SEEN)
    notes: list[str] = []
    if isinstance(module, nn.Module):
        encode, decode, said = _of_module(module, x)
        notes.append(said)
    elif isinstance(module, Sequence) and len(module) == 2 and callable(module[0]):
        encode, decode = either(module[0], x), None if module[1] is None else module[1]
    else:
        raise SparsightError(f"{type(module).__name__} is no module and no pair of functions (encode, decode)")
    place = Place(module)

    def codes_of(raw: Tensor) -> Codes:
        with place.evaluating():
            return as_codes(place.call("encode", encode, raw))

    codes = codes_of(x)
    if len(codes) != len(x):
        raise SparsightError(f"encode gave {len(codes)} rows of codes for {len(x)} samples: one row each is needed")
    back: Callable[[Codes], Tensor] | None = None
    if decode is not None:
        made = decode if isinstance(module, nn.Module) else either(decode, codes.dense())

        def rebuilt(given: Codes) -> Tensor:
            with place.evaluating():
                return rows_of(place.call("decode", made, given.dense()))

        back = rebuilt
        recon = back(codes)
        if len(recon) != len(x):
            raise SparsightError(f"decode gave {list(recon.shape)} for {len(x)} rows of codes: one row each is needed")
    found = _weights(module, x, codes, back)
    return Model(
        encode=codes_of,
        decode=None if back is None else lambda given, _: back(given),
        notes=(*notes, *found.pop("notes")),
        **found,
    )


def _of_module(module: nn.Module, x: Tensor) -> tuple[Callable[..., Any], Callable[..., Any] | None, str]:
    """encode and decode of a module, and how they were found."""
    name = type(module).__name__
    methods = [getattr(module, method, None) for method in ("encode", "decode")]
    if callable(methods[0]):
        decode = methods[1] if callable(methods[1]) else None
        return methods[0], _taking_indices(decode, module), f"codes are {name}.encode(x)"
    parts = [getattr(module, part, None) for part in ("encoder", "decoder")]
    returns = _forward(module, x)
    if returns is not None:
        place, of_recon = returns
        decode = parts[1] if isinstance(parts[1], nn.Module) else None
        return (
            lambda rows: module(rows)[place],
            decode,
            f"codes are what {name}(x) returns as number {place + 1}, the reconstruction number {of_recon + 1}",
        )
    if isinstance(parts[0], nn.Module):
        decode = parts[1] if isinstance(parts[1], nn.Module) else None
        return parts[0], decode, f"codes are {name}.encoder(x): an activation between encoder and decoder is not seen"
    raise SparsightError(
        f"{name} has no encode, no encoder, and no forward pass that returns reconstruction and codes: give a pair of "
        "functions (encode, decode)"
    )


def _taking_indices(decode: Callable[..., Any] | None, module: nn.Module) -> Callable[..., Any] | None:
    """A decode that takes values and indices, as one that takes dense codes."""
    if decode is None:
        return None
    needed = [p for p in inspect.signature(decode).parameters.values() if p.default is p.empty and p.kind in (0, 1)]
    if len(needed) < 2:
        return decode

    def dense(codes: Tensor) -> Any:
        k = max(1, int(codes.count_nonzero(1).max()))
        values, index = codes.topk(k, dim=1)
        return decode(values, index)

    return dense


def _forward(module: nn.Module, x: Tensor) -> tuple[int, int] | None:
    """Which output of the forward pass are the codes, and which the reconstruction; None: it gives no two."""
    place = Place(module)
    try:
        with place.evaluating():
            given = place.call("forward", module, x)
    except SparsightError:
        return None
    if not isinstance(given, tuple | list):
        return None
    rows = {
        n: each for n, each in enumerate(given) if isinstance(each, Tensor) and each.ndim >= 2 and len(each) == len(x)
    }
    recons = [n for n, each in rows.items() if each.flatten(1).shape[1] == x.shape[1]]
    if not recons or len(rows) < 2:
        return None
    recon = max(recons, key=lambda n: explained(x, rows_of(rows[n])))
    return next(n for n in rows if n != recon), recon


def _weights(module: Any, x: Tensor, codes: Codes, back: Callable[[Codes], Tensor] | None) -> dict[str, Any]:
    """The weights behind the functions as fields of a `Model`, as far as they are found, and notes."""
    found: dict[str, Any] = {"notes": []}
    if back is not None:
        found |= _decoder(back, codes.n_latents, x.shape[1], found["notes"])
    if not isinstance(module, nn.Module):
        return found
    try:
        what = roles(collected(dict(module.state_dict())), x.shape[1])
    except SparsightError as error:
        found["notes"].append(f"its weights are not read as those of one hidden layer: {error}")
        return found
    fits = [pair for pair in what.pairs if len(pair.W_enc) == codes.n_latents]
    scored = [
        (_agreement(x @ (pair.W_enc.T) + (0 if what.b_enc is None else what.b_enc) - shift, codes), pair, shift)
        for pair in fits
        for shift in ([0.0, pair.W_enc @ what.b_dec] if what.b_dec is not None else [0.0])
    ]
    if scored:
        agreement, pair, shift = max(scored, key=lambda each: each[0])
        bias = (torch.zeros(codes.n_latents) if what.b_enc is None else what.b_enc) - shift
        found |= {"W_enc": pair.W_enc.contiguous(), "b_enc": bias}
        found["notes"] += [pair.said, f"where codes fire, their order and that of W_enc x + b agree by {agreement:.2f}"]
        if "W_dec" not in found and pair.W_dec is not None:
            found["W_dec"] = pair.W_dec.contiguous()
        if "b_dec" not in found and what.b_dec is not None:
            found["b_dec"] = what.b_dec
    return found


def _agreement(pre: Tensor, codes: Codes) -> float:
    """The correlation of pre-activations and codes where codes are not 0."""
    dense = codes.dense()
    at = dense != 0
    if int(at.sum()) < 3:
        return 0.0
    pair = torch.corrcoef(torch.stack([pre[at], dense[at]]))[0, 1]
    return float(pair.nan_to_num())


def _decoder(back: Callable[[Codes], Tensor], n_latents: int, width: int, notes: list[str]) -> dict[str, Any]:
    """W_dec and b_dec of a decoder that is a straight line, by asking it for single codes; else nothing."""
    zero = torch.zeros(1, n_latents)
    origin = back(Codes(zero, n_latents))[0]
    if len(origin) != width:
        return {}
    features = torch.arange(n_latents).split(1024)
    blocks = (torch.nn.functional.one_hot(part, n_latents).float() for part in features)
    rows = torch.cat([back(Codes(block, n_latents)) for block in blocks]) - origin
    dice = torch.Generator().manual_seed(0)
    mixed = torch.rand(8, n_latents, generator=dice)
    straight = mixed @ rows + origin
    if float((back(Codes(mixed, n_latents)) - straight).norm()) > EXACT * float(straight.norm()):
        notes.append("its decoder is no straight line: W_dec is what its parameters say, if anything")
        return {}
    return {"W_dec": rows, "b_dec": origin, "output": "identity"}
