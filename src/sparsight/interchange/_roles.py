"""Which array is what: the matrices and vectors of one hidden layer, from their names and shapes."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from sparsight.errors import SparsightError
from sparsight.interchange._files import tensor, tensors

ENCODER = re.compile(r"enc|(^|[^a-z])[wb]_?1$|(^|[._])[wb]_e$|latent_bias")
DECODER = re.compile(r"dec|(^|[^a-z])[wb]_?2$|(^|[._])[wb]_d$|pre_bias|components|dictionary|mean_$")
IGNORED = re.compile(
    r"num_batches|running_|optim|adam|momentum|moment\d|learning_rate|(^|[/.])(step|iterations?)$|stats_|latents_"
)
THRESHOLD = re.compile(r"threshold|theta")
ALIEN = {"r_mag": "gated", "b_gate": "gated", "gate_bias": "gated", "w_skip": "skip", "log_var": "variational"}
"""Arrays that a plain encoder and decoder do not have."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """One way to read the arrays: W_enc [F, D], W_dec [F, D] or None."""

    W_enc: Tensor
    W_dec: Tensor | None
    said: str
    """What was taken as what."""


@dataclass(frozen=True, kw_only=True)
class Roles:
    """What the arrays are, as far as names and shapes say: several pairs where a square matrix may lie either way."""

    pairs: tuple[Pair, ...]
    tied: bool
    """There is one matrix only, and the pairs use it twice."""
    b_enc: Tensor | None
    b_dec: Tensor | None
    threshold: Tensor | None
    k: int | None
    notes: tuple[str, ...]


def collected(weights: Any) -> dict[str, Tensor]:
    """Arrays by name, in their natural order, from a file, a mapping, a list, or an estimator of scikit-learn.

    Raises:
        SparsightError: there are none.
    """
    if isinstance(weights, str | Path):
        path = Path(weights)
        if path.is_dir():
            raise SparsightError(f"{str(path)!r} is a folder of no known format: give one file of arrays")
        found = tensors(path)
    elif hasattr(weights, "coefs_"):
        found = dict(_flat({"coefs_": weights.coefs_, "intercepts_": weights.intercepts_}))
    elif hasattr(weights, "components_"):
        mean = getattr(weights, "mean_", None)
        found = dict(_flat({"components_": weights.components_, **({} if mean is None else {"mean_": mean})}))
    elif isinstance(weights, Mapping) or (isinstance(weights, Sequence) and not isinstance(weights, str | bytes)):
        items = weights if isinstance(weights, Mapping) else {f"arr_{n}": each for n, each in enumerate(weights)}
        found = dict(_flat(items))
    else:
        raise SparsightError(f"{type(weights).__name__} holds no weights: give a file, or arrays by name")
    kept = {name: found[name] for name in sorted(found, key=_natural) if not IGNORED.search(name.lower())}
    if not kept:
        raise SparsightError("there are no arrays: give those of the encoder and of the decoder")
    for name, value in kept.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise SparsightError(f"{name!r} holds NaN or infinity: the training diverged")
    return {name: value.detach().cpu().float() for name, value in kept.items()}


def _flat(items: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    for key, value in items.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, list | tuple) and any(getattr(each, "ndim", 0) for each in value):
            yield from _flat(dict(enumerate(value)), f"{name}.")
        else:
            yield name, value if isinstance(value, Tensor) else tensor(value)


def _natural(name: str) -> list[tuple[int, int | str]]:
    """dense_9 before dense_10."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", name) if part]


def listed(found: Mapping[str, Tensor]) -> str:
    """Names and shapes, for messages."""
    return ", ".join(f"{name} {list(value.shape)}" for name, value in found.items())


def roles(found: Mapping[str, Tensor], width: int) -> Roles:
    """What arrays are, given the width of samples.

    Raises:
        SparsightError: they are not those of one hidden layer on such samples.
    """
    for name in found:
        kind = next((kind for part, kind in ALIEN.items() if part in name.lower()), None)
        if kind is not None:
            raise SparsightError(
                f"{name!r} is an array of a {kind} autoencoder, which arrays alone do not say how to compute: give its "
                "folder, or a pair of functions (encode, decode)"
            )
    matrices: dict[str, Tensor] = {}
    vectors: dict[str, Tensor] = {}
    numbers: dict[str, Tensor] = {}
    for name, value in found.items():
        wide = [n for n in value.shape if n > 1]
        if len(value.shape) == 2 and len(wide) == 2:
            matrices[name] = value
        elif len(wide) > 1:
            raise SparsightError(
                f"{name!r} is {list(value.shape)}, and a layer of features has matrices: give a pair of functions "
                "(encode, decode) for a convolutional model"
            )
        else:
            (vectors if wide else numbers)[name] = value.flatten()
    if not 1 <= len(matrices) <= 2:
        few = "no matrix" if not matrices else f"{len(matrices)} matrices, and one hidden layer has two"
        raise SparsightError(
            f"there is {few}; there is: {listed(found)}. Give those of the encoder and of the decoder, or a pair of "
            "functions (encode, decode)"
        )
    sides = _sides(list(matrices))
    pairs = _pairs(matrices, sides, width, found)
    n_latents = len(pairs[0].W_enc)
    notes: list[str] = []
    theta = next((name for name in vectors if THRESHOLD.search(name.lower())), None)
    threshold = vectors.pop(theta) if theta else None
    if threshold is None:
        scalar = next((name for name in numbers if THRESHOLD.search(name.lower())), None)
        threshold = None if scalar is None else numbers.pop(scalar).expand(n_latents)
        theta = scalar
    if threshold is not None and theta is not None:
        threshold = threshold.exp() if "log" in theta.lower() else threshold
        notes.append(f"{theta!r} is taken as the threshold of a JumpReLU")
    b_enc, b_dec = _biases(vectors, n_latents, width, found)
    taken = [f"{name!r} as {role}" for role, name in (("b_enc", b_enc), ("b_dec", b_dec)) if name]
    missing = [f"no {role}: it is 0" for role, name in (("b_enc", b_enc), ("b_dec", b_dec)) if not name]
    if taken:
        notes.append(f"{' and '.join(taken)}")
    if missing:
        notes.append("there is " + " and ".join(missing))
    k = next((int(value) for name, value in numbers.items() if re.search(r"(^|[._])k$", name)), None)
    return Roles(
        pairs=tuple(pairs),
        tied=len(matrices) == 1,
        b_enc=vectors[b_enc] if b_enc else None,
        b_dec=vectors[b_dec] if b_dec else None,
        threshold=threshold,
        k=k,
        notes=tuple(notes),
    )


def _side(name: str) -> str | None:
    low = name.lower()
    encoder, decoder = ENCODER.search(low), DECODER.search(low)
    return None if bool(encoder) == bool(decoder) else "encoder" if encoder else "decoder"


def _sides(names: Sequence[str]) -> dict[str, str]:
    """`encoder` and `decoder` to names; what names do not say, their order does."""
    if len(names) == 1:
        return {_side(names[0]) or "encoder": names[0]}
    first, second = names
    if _side(first) == "decoder" or (_side(second) == "encoder" and _side(first) is None):
        first, second = second, first
    if _side(first) == _side(second) is not None:
        raise SparsightError(f"{first!r} and {second!r} both sound like the {_side(first)}: name them W_enc and W_dec")
    return {"encoder": first, "decoder": second}


def _pairs(
    matrices: Mapping[str, Tensor], sides: Mapping[str, str], width: int, found: Mapping[str, Tensor]
) -> list[Pair]:
    """Every way that the matrices can lie, [F, D] each."""
    for name, matrix in matrices.items():
        if width not in matrix.shape:
            raise SparsightError(
                f"the samples have {width:,} numbers, and no side of {name!r} {list(matrix.shape)} has: give the data "
                f"that the model was trained on, or other weights; there is: {listed(found)}"
            )
    made = []
    for first in _ways(matrices[next(iter(sides.values()))], width):
        of_first = next(iter(sides.values()))
        if len(matrices) == 1:
            made.append(
                Pair(W_enc=first[0], W_dec=first[0], said=f"{of_first!r}{first[1]} is encoder and decoder in one")
            )
            continue
        of_second = sides["decoder"]
        made += [
            Pair(
                W_enc=first[0],
                W_dec=second[0],
                said=f"the encoder is {of_first!r}{first[1]} and the decoder {of_second!r}{second[1]}",
            )
            for second in _ways(matrices[of_second], width)
            if len(second[0]) == len(first[0])
        ]
    if not made:
        shapes = " and ".join(f"{name!r} {list(matrix.shape)}" for name, matrix in matrices.items())
        raise SparsightError(
            f"{shapes} fit no orientation: with {width:,} inputs they have unequal numbers of features"
        )
    return made


def _ways(matrix: Tensor, width: int) -> list[tuple[Tensor, str]]:
    """A matrix as [F, D], and whether it was turned."""
    ways = []
    if matrix.shape[1] == width:
        ways.append((matrix, " as it is"))
    if matrix.shape[0] == width:
        ways.append((matrix.T, " transposed"))
    return ways


def _biases(
    vectors: Mapping[str, Tensor], n_latents: int, width: int, found: Mapping[str, Tensor]
) -> tuple[str | None, str | None]:
    """The names of b_enc and b_dec."""
    odd = [name for name, value in vectors.items() if len(value) not in (n_latents, width)]
    if odd:
        raise SparsightError(
            f"{odd[0]!r} {list(vectors[odd[0]].shape)} is no bias of {n_latents:,} features or {width:,} inputs; there "
            f"is: {listed(found)}"
        )
    of = {"encoder": n_latents, "decoder": width}
    chosen: dict[str, str | None] = {}
    for side, size in of.items():
        fits = [name for name, value in vectors.items() if len(value) == size and name not in chosen.values()]
        named = [name for name in fits if _side(name) == side]
        if n_latents == width and not named:  # lengths do not say which: the encoder's comes first
            fits = [name for name in fits if _side(name) in (side, None)][:1]
        elif len(named or fits) > 1:
            raise SparsightError(f"{' and '.join(map(repr, named or fits))} may all be the {side}'s bias: give one")
        chosen[side] = (named or fits or [None])[0]
    unused = sorted(set(vectors) - set(chosen.values()))
    if unused:
        raise SparsightError(f"what is {unused[0]!r} {list(vectors[unused[0]].shape)}? There is: {listed(found)}")
    return chosen["encoder"], chosen["decoder"]
