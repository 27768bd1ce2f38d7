"""The parts that make one kind of SAE."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import torch
from torch import Tensor

from sparsight.core.network import Activation, Decoder, Encoder
from sparsight.core.records import Facts
from sparsight.core.term import SampleTerm, Term
from sparsight.spec import build, describe

if TYPE_CHECKING:
    from sparsight.core.sae import SAE

Output = Literal["identity", "sigmoid", "softmax"]
_BEGIN = 1024
"""Samples whose pre-activations an activation is told of."""


class Constraint(ABC):
    """Keeps the weights where they must be."""

    def before_step(self, sae: "SAE") -> None:
        """Change the gradients before the optimiser sees them."""

    def after_step(self, sae: "SAE") -> None:
        """Change the weights after the optimiser's step, and after initialisation."""


class Sampler(Protocol):
    """Draws different training samples, in the units of the model."""

    def __call__(self, n: int, /) -> Tensor:
        """Up to n inputs, [m, D]."""
        ...

    def pairs(self, n: int, /) -> tuple[Tensor, Tensor]:
        """Up to n inputs, [m, D], and their targets, [m, D_out]."""
        ...


class Initialisation(ABC):
    """Where training starts."""

    @abstractmethod
    def __call__(self, sae: "SAE", sample: "Sampler", facts: Facts, seed: int) -> None:
        """Fill the weights in place."""

    @torch.no_grad()
    def begin(self, sae: "SAE", sample: "Sampler") -> None:
        """Tell the activation of pre-activations, once the weights are where the constraints want them."""
        sae.activation.begin(sae.pre(sample(_BEGIN)))


@dataclass(frozen=True, kw_only=True)
class Knob:
    """The one number of an architecture that makes its codes more or fewer: what an aim turns."""

    argument: str
    """The architecture's argument that sets it where there is no aim; `base.k` is that of its base."""
    of: str
    """Where it acts: `activation`, or the name of one of the architecture's terms,"""
    attribute: str = "weight"
    """and there as this attribute."""
    more: Literal[1, -1] = -1
    """1 where more of it makes more codes, −1 where it makes fewer."""
    bounds: tuple[float, float] | None = (1e-8, 1e8)
    """It stays between them; None: from 1 to F."""
    whole: bool = False
    """Whether it is a whole number."""
    sets: str | None = None
    """The measure that it is a value of, and so starts at."""
    moves: frozenset[str] = frozenset({"l0", "mean_activity", "explained_variance"})
    """The measures that follow it."""

    def inside(self, argument: str) -> "Knob":
        """The same knob, of an architecture that has this one as its `argument`."""
        return replace(self, argument=f"{argument}.{self.argument}")


@dataclass(kw_only=True)
class Architecture:
    """The parts that make one kind of SAE. Architectures are functions that return one.

    As `SparseAutoencoder(architecture=...)` takes it, it has `get_params` and `set_params`, scikit-learn's way:
    its parameters are the knobs of the function that made it.
    """

    encoder: Encoder
    activation: Activation
    decoder: Decoder
    error: SampleTerm
    """The error of the reconstruction; a recipe may put another in its place."""
    initialisation: Initialisation
    """Where training starts; a recipe may put another in its place."""
    terms: Mapping[str, Term] = field(default_factory=dict)
    """The other summands of the loss, by the name that the log gives them."""
    constraints: tuple[Constraint, ...] = ()
    output: Output = "identity"
    """The function that turns the decoder's sum into the reconstruction; a recipe may change it."""
    targets: bool = False
    """Whether it maps inputs to targets of another kind: the source must then have some, and else must not."""
    knob: Knob | None = None
    """What decides how sparse codes are; None: there is no such number, and nothing to aim with."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The knobs."""
        return {k: v for k, v in describe(self).items() if k != "name"}

    def set_params(self, **knobs: Any) -> Self:
        """Change knobs in place."""
        self.__dict__.update(build("architecture", {**describe(self), **knobs}).__dict__)
        return self

    def __sklearn_clone__(self) -> "Architecture":
        return build("architecture", describe(self))
