"""A stack: autoencoders on the codes of autoencoders, as one."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from sparsight.core import (
    SAE,
    Activation,
    Architecture,
    Codes,
    Constraint,
    Decoder,
    Encoder,
    Facts,
    Output,
    SampleTerm,
    Schema,
    Sizes,
    StatisticTerm,
    Step,
    Term,
)
from sparsight.core.term import Part
from sparsight.errors import SparsightError
from sparsight.initialisations.layerwise import Layerwise
from sparsight.layers.linear import LinearDecoder, LinearEncoder
from sparsight.spec import build, describe, register

_SEEN = "seen"
"""Where codes keep what each layer saw on the way to them, for the terms that ask."""


class Layer(BaseModel):
    """One autoencoder of a stack."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    architecture: str | dict[str, Any]
    n_latents: Annotated[int, Field(ge=1)] | None = None
    """Its features; None: as many as the whole has."""
    preprocess: list[str | dict[str, Any]] = []
    """Of the codes below it; for the first layer that is the recipe's."""
    output: Output | None = None
    """Its output function, in place of the architecture's; for the first layer that is the recipe's."""
    terms: dict[str, dict[str, Any]] = {}
    """More summands of the loss that look at this layer alone, by name, as a recipe has them."""


@register("architecture", "stack")
def stack(*, layers: Annotated[dict[str, Layer], Field(min_length=2)] | None = None) -> Architecture:
    """Autoencoders on the codes of autoencoders, trained as one (Hinton & Salakhutdinov 2006; Bengio et al. 2007).

    x → codes of the first layer → ... → codes of the last, which are those of the stack, and back: each layer rebuilds
    the codes below it from those above, and the first the sample. The error is that of the sample, by the error of the
    first layer; every layer keeps the other terms of its architecture, such as the KL of its own codes, with their
    weights, and its constraints. What a layer must rebuild, where a term of it asks, is held still. Dead features are
    brought back in the last layer alone.

    `W_dec` and `W_enc` of a stack are the products of those of its layers, with the preprocessing in between: a row is
    what a deep feature adds to the sample where all functions in between are straight lines, and a filter what it looks
    for. A reconstruction is not the sum of such rows: how much one adds depends on the others.

    `sparsight.stack` makes one of trained runs. Without weights from runs each layer starts as its own architecture
    does, on the codes of those below.

    Args:
        layers: by name, from the samples up; None: two of relu_l1.

    Raises:
        SparsightError: a layer that cannot be stacked, or whose width is not that of what it is put together with.
    """
    given = layers or {name: Layer(architecture="relu_l1") for name in ("1", "2")}
    parts = {name: _stackable(name, layer) for name, layer in given.items()}
    (bottom, first), *_ = parts.items()
    *lower, (top, highest) = parts.items()
    if given[bottom].preprocess or given[bottom].output:
        raise SparsightError(f"the layer {bottom!r} is the first: its preprocess and output are the recipe's")
    for name, part in lower:
        if part.activation.joint:
            raise SparsightError(
                f"the layer {name!r} cannot be below another: in training the codes of {describe(part)['name']} depend "
                "on the whole batch; stack topk, relu_l1 or sigmoid_kl, or use it as the last layer"
            )
    plan = _Plan([(layer, parts[name]) for name, layer in given.items()])
    terms = {
        f"{key}.{name}": _of_layer(term, n, last=name == top)
        for n, (name, part) in enumerate(parts.items())
        for key, term in _terms(name, part, given[name]).items()
    }
    return Architecture(
        encoder=StackEncoder(plan),
        activation=highest.activation,
        decoder=StackDecoder(plan),
        error=first.error,
        initialisation=Layerwise(),
        terms=terms,
        constraints=tuple(
            OfLayer(constraint, n) for n, part in enumerate(parts.values()) for constraint in part.constraints
        ),
        output=first.output,
    )


def _stackable(name: str, layer: Layer) -> Architecture:
    """The parts of a layer, where they can be stacked."""
    part: Architecture = build("architecture", layer.architecture)
    linear = isinstance(part.encoder, LinearEncoder) and isinstance(part.decoder, LinearDecoder)
    why = (
        "its targets are not its inputs"
        if part.targets
        else "its encoder or decoder is not linear"
        if not linear
        else "its error looks at parts of the codes"
        if part.error.needs & {"codes", "pre"}
        else None
    )
    if why is not None:
        raise SparsightError(
            f"{describe(part)['name']} cannot be the layer {name!r} of a stack: {why}; use topk, relu_l1 or sigmoid_kl"
        )
    return part


def _terms(name: str, part: Architecture, layer: Layer) -> dict[str, Term]:
    more = {key: build("term", {"name": key.split(".")[0], **spec}) for key, spec in layer.terms.items()}
    taken = next((key for key in more if key in part.terms), None)
    if taken is not None:
        raise SparsightError(f"the layer {name!r} has the term {taken!r} already: give this one another name")
    return {**part.terms, **more}


class _Plan:
    """What encoder and decoder of a stack share: its layers, once their widths are known."""

    def __init__(self, parts: Sequence[tuple[Layer, Architecture]]) -> None:
        self.parts = parts
        self.layers: list[SAE] = []

    def make(self, sizes: Sizes) -> list[SAE]:
        """The layers, the last with the activation that the whole has."""
        width = sizes.n_inputs
        for layer, part in self.parts:
            features = layer.n_latents or sizes.n_latents
            preprocess = [build("preprocess", spec) for spec in layer.preprocess]
            self.layers.append(SAE(Schema(n_inputs=width), features, part, preprocess=preprocess, output=layer.output))
            width = features
        if width != sizes.n_latents:
            raise SparsightError(
                f"the last layer of the stack has {width} features, and n_latents is {sizes.n_latents}: give one number"
            )
        self.layers[-1].activation = self.parts[-1][1].activation
        return self.layers


class StackDecoder(Decoder):
    """logits = the first layer's sum for the codes that the second rebuilds from those that the third rebuilds, ..."""

    def __init__(self, plan: _Plan) -> None:
        super().__init__()
        self.plan = plan

    def setup(self, sizes: Sizes) -> None:
        self.decoders = nn.ModuleList(layer.decoder for layer in self.plan.make(sizes))

    @property
    def weight(self) -> Tensor:  # pyright: ignore[reportIncompatibleVariableOverride]
        """W_dec_2 W_dec_1 of two layers, [F, D]."""
        return self.rows(slice(None))

    def rows(self, features: Tensor | slice) -> Tensor:
        *lower, top = self.plan.layers
        rows, above = top.W_dec[features], top
        for layer in reversed(lower):
            rows, above = above.preprocess.rows_in_raw_units(rows) @ layer.W_dec, layer
        return rows

    @property
    def bias(self) -> Tensor:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.plan.layers[0].b_dec

    def forward(self, codes: Codes, x: Tensor | None = None) -> Tensor:
        first, *upper = self.plan.layers
        for layer in reversed(upper):
            codes = Codes(layer.preprocess.inverse(layer.decode(codes)), layer.n_inputs)
        return first.decoder(codes)


class StackEncoder(Encoder):
    """pre = those of the last layer, of the codes of the one below, of the codes of the one below that, ..."""

    def __init__(self, plan: _Plan) -> None:
        super().__init__()
        self.plan = plan

    def setup(self, sizes: Sizes) -> None:
        self.layers = self.plan.layers  # which the decoder has made
        self.encoders = nn.ModuleList(layer.encoder for layer in self.layers)
        self.activations = nn.ModuleList(layer.activation for layer in self.layers[:-1])
        self.preprocess = nn.ModuleList(layer.preprocess for layer in self.layers[1:])

    @property
    def bias(self) -> Tensor:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.plan.layers[-1].b_enc

    def weight(self, decoder: Decoder) -> Tensor:
        filters = self.layers[0].W_enc
        for layer in self.layers[1:]:
            filters = layer.preprocess.filters_in_raw_units(layer.W_enc) @ filters
        return filters

    def forward(self, x: Tensor, decoder: Decoder, features: Tensor | None = None) -> Tensor:
        return self.layers[-1].pre(seen(self.layers, x)[-1], features)

    def chosen(self, x: Tensor, decoder: Decoder, activation: Activation) -> Codes:
        top = self.layers[-1]
        return top.encoder.chosen(seen(self.layers, x)[-1], top.decoder, activation)


def seen(layers: Sequence[SAE], x: Tensor) -> list[Tensor]:
    """What the encoder of each layer sees of preprocessed samples, [B, D] and then [B, F] of the layer below."""
    inputs = [x]
    for below, layer in pairwise(layers):
        inputs.append(layer.preprocess(below.encode(inputs[-1]).dense()))
    return inputs


def _of_layer(term: Term, n: int, *, last: bool) -> Term:
    return (SampleTermOfLayer if isinstance(term, SampleTerm) else StatisticTermOfLayer)(term, n, last=last)


class _TermOfLayer(Term):
    """A term of one layer: what it sees of a step is that of this layer."""

    needs: frozenset[Part] = frozenset({"codes", "weights"})

    def __init__(self, term: Term, n: int, *, last: bool) -> None:
        super().__init__()
        self.term, self.n, self.last = term, n, last
        self.weight, self.warmup, self.moves = term.weight, term.warmup, term.moves

    def check(self, sae: SAE, facts: Facts) -> str | None:
        layer = sae.layers[self.n]
        return self.term.check(layer, replace(facts, schema=layer.schema))

    def silent(self, dead: Tensor | None) -> bool:
        return self.term.silent(dead if self.last else None)

    def step(self, step: Step, sae: SAE) -> Step:
        """The forward pass of the layer; what the term does not need of it is left empty."""
        layer, needs = sae.layers[self.n], self.term.needs
        if _SEEN not in step.codes.memo:
            step.codes.memo[_SEEN] = seen(sae.layers, step.x)
        x: Tensor = step.codes.memo[_SEEN][self.n]
        chosen, codes = (step.chosen, step.codes) if self.last else layer.select(x)
        logits = layer.decoder(codes) if needs & {"recon", "logits"} else x[:0]
        return Step(
            x=x,
            target=x.detach(),
            codes=codes,
            logits=logits,
            recon=layer.finish(logits),
            pre=layer.pre(x) if "pre" in needs else None,
            chosen=chosen,
            dead=step.dead if self.last else None,
            weight=step.weight,
            progress=step.progress,
        )


class SampleTermOfLayer(_TermOfLayer, SampleTerm):
    """A `SampleTerm` of one layer."""

    def per_sample(self, step: Step, sae: SAE) -> Tensor:
        assert isinstance(self.term, SampleTerm)
        return self.term.per_sample(self.step(step, sae), sae.layers[self.n])


class StatisticTermOfLayer(_TermOfLayer, StatisticTerm):
    """A `StatisticTerm` of one layer."""

    def statistic(self, step: Step, sae: SAE) -> Tensor | None:
        assert isinstance(self.term, StatisticTerm)
        if self.term.needs <= {"weights"}:
            return None
        return self.term.statistic(self.step(step, sae), sae.layers[self.n])

    def memory(self, batch_size: int) -> float:
        assert isinstance(self.term, StatisticTerm)
        return self.term.memory(batch_size)

    def value(self, statistic: Tensor | None, sae: SAE) -> Tensor:
        assert isinstance(self.term, StatisticTerm)
        return self.term.value(statistic, sae.layers[self.n])


class OfLayer(Constraint):
    """A constraint of one layer."""

    def __init__(self, constraint: Constraint, n: int) -> None:
        self.constraint, self.n = constraint, n

    def before_step(self, sae: SAE) -> None:
        self.constraint.before_step(sae.layers[self.n])

    def after_step(self, sae: SAE) -> None:
        self.constraint.after_step(sae.layers[self.n])
