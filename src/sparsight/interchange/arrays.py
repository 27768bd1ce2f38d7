"""Bare arrays: a model from its weights alone, by what they make of the data."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sparsight.core import Codes, Model
from sparsight.errors import SparsightError, did_you_mean
from sparsight.interchange._roles import Pair, Roles, collected, roles
from sparsight.interchange.known_answer import explained, sample

ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], tuple[float, float]]] = {
    "relu": (torch.relu, (0.0, float("inf"))),
    "sigmoid": (torch.sigmoid, (0.0, 1.0)),
    "tanh": (torch.tanh, (-1.0, 1.0)),
    "identity": (lambda pre: pre, (-float("inf"), float("inf"))),
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
CLEAR = 1.1
"""The best candidate leaves so much less unexplained than the second, or the choice is the user's."""
SAMPLES = 512
MOST_K = 256
SAME = 1e-6
"""Reconstructions that differ by less than this share of the data's size are one."""


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
    print: Tensor
    """The reconstruction along a few random directions, [n, 4]."""

    @property
    def name(self) -> str:
        how = self.activation if self.k is None else f"topk({self.k})"
        return f"activation={how!r}, output={self.output!r}" + (", with b_dec subtracted first" if self.centre else "")


def arrays(weights: Any, data: Any, activation: str | None = None, output: str | None = None) -> Model:
    """A model of one hidden layer from its arrays: codes = activation(W_enc (x − b_dec?) + b_enc), recon = output(...).

    Orientation is found by the width of the samples, and where a matrix is square by what fits better. What is not
    given, among the activations sigmoid, relu, tanh, identity, softplus, elu, gelu and topk(k), the outputs identity,
    sigmoid and softmax, and whether `b_dec` is subtracted before the encoder, is what explains most of the variance of
    up to 512 samples; it must leave 1.1 times less unexplained than the second. All that was inferred is in `notes`.

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
    x, _ = sample(data, SAMPLES)
    activation, k = _asked(activation or _of_estimator(weights, "activation"))
    output = _output(output or _of_estimator(weights, "out_activation_"))
    what = roles(found, x.shape[1])
    k = k or what.k
    if activation is None and what.threshold is not None:
        activation = "jumprelu"
    candidates = sorted(_candidates(what, x, activation, k, output), key=lambda c: -c.fits)
    if what.tied and (not candidates or not candidates[0].fits > 0):
        return _encoder_only(what, activation, k)
    known = {"activation": activation is not None, "output": output is not None}
    return _model(what, _chosen(candidates, x, **known), len(x), given=all(known.values()))


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
    directions = torch.randn(x.shape[1], 4, generator=torch.Generator().manual_seed(0))
    for pair in what.pairs:
        for centre in (False, True) if what.b_dec is not None and what.b_dec.any() else (False,):
            pre = x @ pair.W_enc.T + _bias(what, pair, centre=centre)
            for out in outputs if output is None else [output]:
                for name in [*ACTIVATIONS, "topk"] if activation is None else [activation]:
                    each = (k or _best_k(what, pair, pre, x, out)) if name == "topk" else None
                    recon = _rebuilt(what, pair, _codes(what, pre, name, each), out)
                    yield Candidate(
                        pair=pair, activation=name, k=each, output=out, centre=centre,
                        fits=explained(x, recon), print=recon @ directions,
                    )  # fmt: skip


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


def _best_k(what: Roles, pair: Pair, pre: Tensor, x: Tensor, output: str) -> int:
    """The k that explains most, of those up to 256: features are added one after the other."""
    assert pair.W_dec is not None
    values, index = pre.topk(min(MOST_K, pre.shape[1]), dim=1)
    logits = x.new_zeros(x.shape) if what.b_dec is None else what.b_dec.expand_as(x).clone()
    errors = []
    for value, feature in zip(values.relu().T, index.T, strict=True):
        logits = logits + value[:, None] * pair.W_dec[feature]
        errors.append(float((OUTPUTS[output](logits) - x).square().sum()))
    return 1 + min(range(len(errors)), key=errors.__getitem__)


def _chosen(candidates: list[Candidate], x: Tensor, *, activation: bool, output: bool) -> list[Candidate]:
    """The candidates that differ, the best first; `activation` and `output` say which of them were given.

    Raises:
        SparsightError: the best is not clear, or rebuilds nothing.
    """
    size = float(x.norm())
    distinct: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda c: (c.activation == "topk", c.centre)):  # the simpler first
        twins = (c for c in distinct if float((c.print - candidate.print).norm()) < SAME * size)
        if next(twins, None) is None and not _needless(candidate, distinct):
            distinct.append(candidate)
    distinct.sort(key=lambda c: -c.fits)
    best, *others = distinct
    rivals = [
        c
        for c in others
        if (c.activation != best.activation and not activation) or (c.output != best.output and not output)
    ]
    close = [c for c in rivals if 1 - c.fits < CLEAR * (1 - best.fits)]
    if close or (rivals and not best.fits > 0):
        said = "; ".join(f"{c.name} explains {c.fits:.1%}" for c in [best, *rivals[:4]])
        why = "several fit about as well" if best.fits > 0 else "none rebuilds them (are they scaled as in training?)"
        raise SparsightError(
            f"what the weights do cannot be inferred from {len(x)} samples, since {why}: {said}; say which, with "
            "activation=... and output=..."
        )
    return distinct


def _needless(candidate: Candidate, others: list[Candidate]) -> bool:
    """Whether a topk is hardly better than the rectifier that it is with the largest k."""
    return candidate.activation == "topk" and any(
        1 - c.fits < CLEAR * (1 - candidate.fits)
        for c in others
        if (c.activation, c.pair, c.output, c.centre) == ("relu", candidate.pair, candidate.output, candidate.centre)
    )


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
        beside = "" if second is None else f"; next best is {second.name} with {second.fits:.1%}"
        notes.append(f"{best.name} was inferred: it explains {best.fits:.1%} of the variance of {n} samples{beside}")
    elif best.centre:
        notes.append(f"b_dec is subtracted before the encoder: that explains {best.fits:.1%} of the variance")
    if not best.fits > 0:
        notes.append(f"it explains nothing of the data ({best.fits:.3g}): were they scaled as in training?")
    model = _encoder(what, pair, bias, best.activation, best.k)

    b_dec = torch.zeros(W_dec.shape[1]) if what.b_dec is None else what.b_dec

    def decode(codes: Codes) -> Tensor:
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
