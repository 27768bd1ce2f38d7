"""What codes are made by, and what is made of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from sparsight.core.codes import Codes
from sparsight.core.records import Batch
from sparsight.distributed import World

if TYPE_CHECKING:
    from sparsight.core.sae import SAE


@dataclass(frozen=True)
class Sizes:
    """The widths of an SAE."""

    n_inputs: int
    n_latents: int
    n_targets: int


class Gradients(dict[str, Tensor]):
    """Gradients that are being added up, by what they are taken: `logits`, `codes`, or the name of a parameter."""

    def add(self, name: str, gradient: Tensor) -> None:
        """Add a tensor that nobody else holds, of a shape that broadcasts."""
        self[name] = self[name] + gradient if name in self else gradient

    def add_product(self, name: str, left: Tensor, right: Tensor) -> None:
        """Add left @ right."""
        self[name] = self[name].addmm_(left, right) if name in self else left @ right


class Encoder(nn.Module, ABC):
    """x to pre-activations."""

    closed_form: bool = False
    bias: Tensor  # [F], a parameter, or zeros in a buffer where there is no bias
    layers: Sequence["SAE"] = ()
    """Where it is the encoder of a stack: the autoencoders that this is made of, from the samples up."""

    @abstractmethod
    def setup(self, sizes: Sizes) -> None:
        """Create the parameters."""

    @abstractmethod
    def weight(self, decoder: "Decoder") -> Tensor:
        """W_enc, [F, D]."""

    @abstractmethod
    def forward(self, x: Tensor, decoder: "Decoder", features: Tensor | None = None) -> Tensor:
        """Pre-activations, [B, F]; of some features alone, [B, n]."""

    def chosen(self, x: Tensor, decoder: "Decoder", activation: "Activation") -> Codes:
        """activation.choose(pre), faster where the encoder knows a way."""
        return activation.choose(self(x, decoder))

    def pull_back(self, x: Tensor, of_pre: Tensor, decoder: "Decoder", gradients: Gradients) -> None:
        """The closed form of the gradient, where `closed_form` says that there is one: add those of the parameters."""
        raise NotImplementedError


class Activation(nn.Module, ABC):
    """Pre-activations to codes; for one sample at a time in evaluation."""

    bounds: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    """Codes never leave this interval."""
    closed_form: bool = False
    homogeneous: bool = True
    """Whether s · pre gives s · codes, so that biases have the units of the data."""
    selects: bool = False
    """Whether codes depend on few pre-activations, each on its own: `choose` finds them, `at` makes codes of them."""
    joint: bool = False
    """Whether in training a sample's codes depend on the other samples of its batch."""
    cut: Any = None
    """What `common_cut` found, during a step whose forward passes see a part of the batch; None: they see all of it."""

    def setup(self, sizes: Sizes) -> None:
        """Create parameters and buffers, and refuse sizes that do not fit."""

    def biases(self) -> list[nn.Parameter]:
        """Parameters in the units of codes."""
        return []

    def begin(self, pre: Tensor) -> None:
        """Told once, where training starts, of the pre-activations of some samples, [n, F]: for what has their unit."""

    def advance(self, progress: float, batch: Batch, seed: int) -> None:
        """Told before every forward pass in training which samples come and how much is done, 0 to 1.

        What is random is a function of (seed, batch.step, batch.positions), as with a `Corruption`.
        """

    def common_cut(self, pres: Callable[[], Iterator[Tensor]], size: int, world: World) -> Any:
        """Where `joint`: what decides which codes of a batch are kept, found from all its pre-activations.

        Args:
            pres: passes once over this process's share of the batch, part by part, [n, F].
            size: of the whole batch, over all processes.
            world: the processes.
        """
        raise NotImplementedError

    def learn(self) -> None:
        """Told once in every training step, after its first forward pass: for buffers such as a threshold."""

    def forward(self, pre: Tensor) -> Codes:
        """[B, F] to codes."""
        return self.at(self.choose(pre))

    def choose(self, pre: Tensor) -> Codes:
        """Where it `selects`: of [B, F], what codes or their gradients depend on; all, and dense, where it is much."""
        raise NotImplementedError

    def at(self, chosen: Codes) -> Codes:
        """Where it `selects`: the codes of these pre-activations, at the same places."""
        raise NotImplementedError

    def fires(self, chosen: Codes) -> Codes | None:
        """1 where a feature fires, else 0, at these places, with a straight-through gradient; None: it has none."""
        return None

    def fires_above(self) -> Tensor | float:
        """The pre-activation that a feature must exceed to fire, one number or [F]."""
        return 0.0

    def bar(self, codes: Codes, features: Tensor) -> Tensor:
        """What pre-activations of some features must exceed to fire beside these codes; it broadcasts to [B, n]."""
        above = self.fires_above()
        return above[features] if isinstance(above, Tensor) else codes.values.new_tensor(above)

    def kinks(self, pre: Tensor) -> Tensor:
        """How far each pre-activation is from where the gradient is not that of the codes, [B, F].

        By default from 0, and from the next one of its sample, which may be chosen in its place.
        """
        return torch.minimum(pre.abs(), pre.sort(dim=1).values.diff(dim=1).amin(1, keepdim=True))

    def select(self, pre: Tensor, decoder: "Decoder", x: Tensor | None = None) -> Codes:
        """forward(pre), unless which codes there are depends on the decoder, or on what the encoder saw.

        Args:
            pre: [B, F].
            decoder: of the same model.
            x: what the encoder saw, [B, D]; None: it is that of a stack.
        """
        return self(pre)

    def pull_back(self, codes: Codes, of_codes: Tensor) -> Tensor:
        """The closed form of the gradient, where `closed_form` says so: from dense codes to `pre`; in place at will."""
        raise NotImplementedError


class Decoder(nn.Module, ABC):
    """Codes to a reconstruction."""

    closed_form: bool = False
    weight: Tensor  # [F, D_out], a parameter, or made of those of a stack
    bias: Tensor  # [D_out]

    @abstractmethod
    def setup(self, sizes: Sizes) -> None:
        """Create the parameters."""

    @abstractmethod
    def forward(self, codes: Codes, x: Tensor | None = None) -> Tensor:
        """The sum before the output function, [B, D_out]; linear in the codes, but for a stack.

        Args:
            codes: of the samples.
            x: what the encoder saw, [B, D], for decoders with a way past the codes.
        """

    def rows(self, features: Tensor | slice) -> Tensor:
        """`weight` of some features alone, [n, D_out], without the work for the others."""
        return self.weight[features]

    def pull_back(self, codes: Codes, of_logits: Tensor, gradients: Gradients) -> Tensor:
        """The closed form of the gradient, where `closed_form` says so: that of dense codes; add the parameters'."""
        raise NotImplementedError
