"""Bare arrays: a model from its weights alone, by what they make of the data."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sparsight.core import Codes, Model
from sparsight.errors import SparsightError, did_you_mean
from sparsight.interchange._roles import Pair, Roles, collected, roles
from sparsight.interchange.known_answer import explained, sample

ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], tuple[float, float]]] = {
    "identity": (lambda pre: pre, (-float("inf"), float("inf"))),
    "relu": (torch.relu, (0.0, float("inf"))),
    "sigmoid": (torch.sigmoid, (0.0, 1.0)),
    "tanh": (torch.tanh, (-1.0, 1.0)),
    "softplus": (functional.softplus, (0.0, float("inf"))),
    "elu": (functional.elu, (-1.0, float("inf"))),
    "gelu": (functional.gelu, (-0.17, float("inf"))),
}
"""Functions that act on each pre-activation alone, and where codes stay."""
OUTPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda logits: logits,
    "sigmoid": torch.sigmoid,
    "softmax": lambda logits: logits.softmax(-1),
}
ALSO = {"logistic": "sigmoid", "linear": "identity", "none": "identity"}
"""Other names."""
CLEAR = 1.2
"""The second candidate is so many times further from rest than the best, or the choice is the user's."""
CLOSE = 2.0
"""Candidates that leave more than this times what the best leaves unexplained are out."""
SAMPLES = 1_000
FEWEST = 256
WORK = 4 * 10**8
"""Samples times features times inputs, about, so that large models are tried on fewer samples."""
MOST_K = 256
READ = 256
"""Features whose decoder rows are asked whether they are at rest."""
SAME = 1e-6
"""Reconstructions that differ by less than this share of the data's size are one."""


_Way = tuple[Pair, bool, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """One reading of the weights, and how well it rebuilds the samples."""

    pair: Pair
    activation: str
    k: int | None
    output: str
    centre: bool
    fits: float
    """The explained variance."""
    unrest: float
    """How far the decoder is from where training leaves it; see `_unrest`."""
    print: Tensor
    """The reconstruction along a few random directions, [n, 4]."""
    twins: list[str] = field(default_factory=list)
    """Other activations that do the same on these samples."""

    @property
    def name(self) -> str:
        how = self.activation if self.k is None else f"topk({self.k})"
        return f"activation={how!r}, output={self.output!r}" + (", with b_dec subtracted first" if self.centre else "")

    def __str__(self) -> str:
        return f"{self.name} explains {self.fits:.1%} (from rest: {self.unrest:.2g})"


def arrays(weights: Any, data: Any, activation: str | None = None, output: str | None = None) -> Model:
    """A model of one hidden layer from its arrays: codes = activation(W_enc (x − b_dec?) + b_enc), recon = output(...).

    Orientation is found by the width of the samples. What is not given is inferred, among the activations sigmoid,
    relu, tanh, identity, softplus, elu, gelu and topk(k), the outputs identity, sigmoid and softmax, `b_dec` subtracted
    before the encoder or not, and the two ways that a square matrix may lie. Of those that explain much it is the one
    under which the decoder is at rest: after training, what is left over has no mean and does not go with the codes,
    and under another function than that of the training it does. All that was inferred is in `notes`.

    The model's W_enc, W_dec are [F, D]; its b_enc is that of raw samples: pre = W_enc x + b_enc.

    Args:
        weights: a file (.npz, .npy, .safetensors, .pt, .mat), arrays by name, a list such as Keras' `get_weights()`, or
            an estimator of scikit-learn with `coefs_` or `components_`. One matrix alone is taken as tied where that
            fits, else as an encoder.
        data: a source, rows of numbers, or the path of data.
        activation: `relu`, `topk(25)`, ...; None: infer it.
        output: `identity`, `sigmoid` or `softmax`; None: infer it.

    Raises:
        SparsightError: the arrays are not those of one hidden layer on such data, a file holds pickles, or what must be
            inferred is not clear; the sentence says which candidates fit how well.
    """
    found = collected(weights)
    work = WORK // max(value.numel() for value in found.values())
    x, _ = sample(data, min(SAMPLES, max(FEWEST, work)))
    if not (x != x[0]).any():
        raise SparsightError("all samples are equal: nothing can be learned from them; give others")
    activation, k = _asked(activation or _of_estimator(weights, "activation"))
    output = _output(output or _of_estimator(weights, "out_activation_"))
    what = roles(found, x.shape[1])
    k = k or what.k
    if activation is None:
        activation = "jumprelu" if what.threshold is not None else "topk" if k is not None else None
    candidates = list(_candidates(what, x, activation, k, output))
    if what.tied and not max(c.fits for c in candidates) > 0:
        return _encoder_only(what, activation, k)
    known = {"activation": activation is not None, "output": output is not None}
    model = _model(what, _chosen(candidates, x, **known), len(x), given=all(known.values()))
    if k is not None or not (model.activation or "").startswith("topk"):
        return model
    return replace(model, notes=(*model.notes, "its k is known to within a few: say activation='topk(25)' if you know"))


def _of_estimator(weights: Any, name: str) -> str | None:
    """What an estimator of scikit-learn says of itself."""
    said = getattr(weights, name, None) if hasattr(weights, "coefs_") else None
    return said if isinstance(said, str) else None


def _asked(activation: str | None) -> tuple[str | None, int | None]:
    if activation is None:
        return None, None
    found = re.fullmatch(r"topk\s*\(?\s*(?:k\s*=\s*)?(\d+)\s*\)?", activation)
    if found:
        return "topk", int(found[1])
    name = ALSO.get(activation, activation)
    known = [*ACTIVATIONS, "topk", "jumprelu"]
    if name not in known:
        raise SparsightError(f"unknown activation {activation!r}; {did_you_mean(activation, known)}")
    return name, None


def _output(output: str | None) -> str | None:
    name = None if output is None else ALSO.get(output, output)
    if name is not None and name not in OUTPUTS:
        raise SparsightError(f"unknown output {output!r}; {did_you_mean(output, OUTPUTS)}")
    return name


def _candidates(
    what: Roles, x: Tensor, activation: str | None, k: int | None, output: str | None
) -> Iterator[Candidate]:
    """Every reading that is not excluded, with how well it fits."""
    within = float(x.min()) >= 0 and float(x.max()) <= 1
    outputs = ["identity", *(["sigmoid"] if within else [])]
    if within and float((x.sum(1) - 1).abs().max()) < 1e-3:
        outputs.append("softmax")
    centres = (False, True) if what.b_dec is not None and what.b_dec.any() else (False,)
    ways = list(product(what.pairs, centres, outputs if output is None else [output]))
    few = x[:FEWEST]
    quick = {
        (way, name): explained(few, _rebuilt(what, way[0], _codes(what, _pre(what, way, few), name, None), way[2]))
        for way in ways
        for name in (ACTIVATIONS if activation in (None, "topk") else [activation])
    }
    most = max(quick.values())
    kept = [key for key, fits in quick.items() if 1 - fits <= CLOSE * CLEAR * (1 - most)]
    if activation != "topk":
        yield from (_candidate(what, x, way, name, None) for way, name in kept)
    if activation in (None, "topk"):
        for way in dict.fromkeys(way for way, _ in kept):
            found = [_candidate(what, x, way, "topk", k)] if k else _descent(what, x, way)
            yield from (c for c in found if k or activation or c.k is None or c.k <= len(way[0].W_enc) // 2)


def _descent(what: Roles, x: Tensor, way: _Way) -> list[Candidate]:
    """The topk that is nearest to rest, going on from the k with which what is left over has the smallest mean."""
    pair, _, output = way
    most = min(MOST_K, len(pair.W_enc))
    best = _candidate(what, x, way, "topk", _first_k(what, pair, _pre(what, way, x[:FEWEST]), x[:FEWEST], output))
    for step in (-1, 1):
        while best.k is not None and 1 <= best.k + step <= most:
            near = _candidate(what, x, way, "topk", best.k + step)
            if near.unrest >= best.unrest:
                break
            best = near
    return [best]


def _pre(what: Roles, way: _Way, x: Tensor) -> Tensor:
    pair, centre, _ = way
    return x @ pair.W_enc.T + _bias(what, pair, centre=centre)


def _candidate(what: Roles, x: Tensor, way: _Way, activation: str, k: int | None) -> Candidate:
    pair, centre, output = way
    codes = _codes(what, _pre(what, way, x), activation, k)
    recon = _rebuilt(what, pair, codes, output)
    return Candidate(
        pair=pair,
        activation=activation,
        k=k,
        output=output,
        centre=centre,
        fits=explained(x, recon),
        unrest=_unrest(pair, codes, x - recon, recon, output),
        print=recon @ torch.randn(x.shape[1], 4, generator=torch.Generator().manual_seed(0)),
    )


def _unrest(pair: Pair, codes: Codes, left: Tensor, recon: Tensor, output: str) -> float:
    """‖E r‖² / E‖r‖² + Σ_j ‖E[codes_j r] across W_dec_j‖² / Σ_j E[codes_j²] E‖r‖² for what is left over, r.

    That is the gradient of the squared error by `b_dec` and by the rows, but for the part along a row, which weight
    decay and rows of length one have a say in. Null, for a decoder at rest: about 2 / n. After a sigmoid, r is taken
    with its slope, or without it for cross-entropy, whichever is nearer to rest.
    """
    assert pair.W_dec is not None
    dense = codes.dense()
    read = dense.square().mean(0).topk(min(READ, dense.shape[1])).indices
    rows = functional.normalize(pair.W_dec[read], dim=1)
    size = dense[:, read].square().mean(0).sum()
    found = []
    for r in [left] if output == "identity" else [left, left * recon * (1 - recon)]:
        power = r.square().sum(1).mean()
        if not power or not size:
            return 0.0 if size else math.inf
        along = dense[:, read].T @ r / len(r)
        across = along - (along * rows).sum(1, keepdim=True) * rows
        found.append(float(r.mean(0).square().sum() / power + across.square().sum() / (size * power)))
    return min(found)


def _codes(what: Roles, pre: Tensor, activation: str, k: int | None) -> Codes:
    if activation == "topk":
        assert k is not None
        return _largest(pre, k)
    return Codes(_jump(what, pre) if activation == "jumprelu" else ACTIVATIONS[activation][0](pre), pre.shape[1])


def _rebuilt(what: Roles, pair: Pair, codes: Codes, output: str) -> Tensor:
    assert pair.W_dec is not None
    logits = codes.dense() @ pair.W_dec
    return OUTPUTS[output](logits if what.b_dec is None else logits + what.b_dec)


def _bias(what: Roles, pair: Pair, *, centre: bool) -> Tensor:
    """b with pre = W_enc x + b, [F]."""
    bias = pair.W_enc.new_zeros(len(pair.W_enc)) if what.b_enc is None else what.b_enc
    return bias - pair.W_enc @ what.b_dec if centre and what.b_dec is not None else bias


def _jump(what: Roles, pre: Tensor) -> Tensor:
    if what.threshold is None:
        raise SparsightError("a jumprelu needs an array named threshold: give it, or another activation")
    return pre.relu() * (pre > what.threshold)


def _largest(pre: Tensor, k: int) -> Codes:
    if k > pre.shape[1]:
        raise SparsightError(f"k is {k} but there are only {pre.shape[1]} features: ask for fewer")
    values, index = pre.topk(k, dim=1)
    return Codes.fixed(values.relu(), index, pre.shape[1])


def _first_k(what: Roles, pair: Pair, pre: Tensor, x: Tensor, output: str) -> int:
    """The k, up to 256, with which what is left over is nearest to having no mean: features are added one by one."""
    assert pair.W_dec is not None
    values, index = pre.topk(min(MOST_K, pre.shape[1]), dim=1)
    logits = x.new_zeros(x.shape) if what.b_dec is None else what.b_dec.expand_as(x).clone()
    powers, means = [], []
    for value, feature in zip(values.relu().T, index.T, strict=True):
        logits.addcmul_(pair.W_dec[feature], value[:, None])
        left = x - OUTPUTS[output](logits)
        powers.append(float(left.square().sum(1).mean()))
        means.append(float(left.mean(0).square().sum()))
        if not value.any():
            break
    close = [n for n, power in enumerate(powers) if power <= CLOSE * min(powers)]
    return 1 + min(close, key=lambda n: means[n] / max(powers[n], 1e-30))


def _chosen(candidates: list[Candidate], x: Tensor, *, activation: bool, output: bool) -> list[Candidate]:
    """The candidates that differ, the best first; `activation` and `output` say which of them were given.

    Raises:
        SparsightError: the best is not clear, or rebuilds nothing.
    """
    size = float(x.norm())
    distinct: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda c: (c.activation == "topk", c.centre)):  # the simpler first
        twin = next((c for c in distinct if float((c.print - candidate.print).norm()) < SAME * size), None)
        if twin is None:
            distinct.append(candidate)
        elif candidate.activation != twin.activation:
            twin.twins.append(candidate.activation)
    most = max(c.fits for c in distinct)
    plain = [c.unrest for c in distinct if c.activation != "topk" and 1 - c.fits <= CLOSE * (1 - most)]
    if not activation:  # with a k to choose something always fits: it must be clearly nearer to rest
        distinct = [c for c in distinct if c.activation != "topk" or CLEAR * c.unrest < min(plain, default=math.inf)]
    distinct.sort(key=lambda c: (1 - c.fits > CLOSE * (1 - most), c.unrest))
    best, *others = distinct
    rivals = [
        c
        for c in others
        if (c.activation != best.activation and not activation) or (c.output != best.output and not output)
    ]
    close = [c for c in rivals if 1 - c.fits <= CLOSE * (1 - most) and c.unrest < CLEAR * best.unrest]
    if close or not (best.fits > 0 or (activation and output)):
        said = "; ".join(map(str, [best, *rivals[:4]]))
        why = "several fit about as well" if best.fits > 0 else "none rebuilds them (are they scaled as in training?)"
        raise SparsightError(
            f"what the weights do cannot be inferred from {len(x)} samples, since {why}: {said}; say which, with "
            "activation=... and output=..."
        )
    return distinct


def _model(what: Roles, candidates: list[Candidate], n: int, *, given: bool) -> Model:
    best = candidates[0]
    pair = best.pair
    assert pair.W_dec is not None
    W_dec, bias = pair.W_dec.contiguous(), _bias(what, pair, centre=best.centre)
    notes = [pair.said, *what.notes]
    if len(what.pairs) > 1:
        other = max((c.fits for c in candidates if c.pair is not pair), default=float("nan"))
        notes.append(f"a matrix is square, and it lies so that {best.fits:.1%} is explained: the other way {other:.1%}")
    if not given:
        second = next(iter(candidates[1:]), None)
        beside = "" if second is None else f"; next best: {second}"
        notes.append(f"inferred from {n} samples: {best}{beside}")
        if best.twins:
            notes.append(f"on these samples {', '.join(dict.fromkeys(best.twins))} would do the same")
    elif best.centre:
        notes.append(f"b_dec is subtracted before the encoder: that explains {best.fits:.1%} of the variance")
    if not best.fits > 0:
        notes.append(f"it explains nothing of the data ({best.fits:.3g}): were they scaled as in training?")
    model = _encoder(what, pair, bias, best.activation, best.k)

    b_dec = torch.zeros(W_dec.shape[1]) if what.b_dec is None else what.b_dec

    def decode(codes: Codes, _: Tensor) -> Tensor:
        return _rebuilt(what, pair, codes, best.output)

    return replace(model, decode=decode, W_dec=W_dec, b_dec=b_dec, output=best.output, notes=tuple(notes))


def _encoder_only(what: Roles, activation: str | None, k: int | None) -> Model:
    """What one matrix says that does not rebuild the samples."""
    pair, name = what.pairs[0], activation or "identity"
    if name == "topk" and k is None:
        raise SparsightError("there is an encoder alone, and its k cannot be inferred: say activation='topk(25)'")
    notes = ["there is an encoder and no decoder: codes and filters can be looked at, and no reconstruction"]
    if activation is None:
        notes.append("its activation is not known: codes are the pre-activations; say activation=... for more")
    if len(what.pairs) > 1:
        notes.append("its matrix is square: it is taken as torch has it, a row for each feature")
    model = _encoder(what, pair, _bias(what, pair, centre=False), name, k)
    return replace(model, activation=activation, notes=(*notes, *what.notes))


def _encoder(what: Roles, pair: Pair, bias: Tensor, activation: str, k: int | None) -> Model:
    W_enc = pair.W_enc.contiguous()

    def encode(x: Tensor) -> Codes:
        return _codes(what, x.float() @ W_enc.T + bias, activation, k)

    bounds = ACTIVATIONS[activation][1] if activation in ACTIVATIONS else (0.0, float("inf"))
    said = activation if activation != "topk" else f"topk({k})"
    return Model(encode=encode, W_enc=W_enc, b_enc=bias, bounds=bounds, activation=said)
