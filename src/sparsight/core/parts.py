"""The parts that an SAE and its training are put together from. Everything is abstract here, and final elsewhere."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, runtime_checkable

import torch
from torch import Tensor, nn

from sparsight.core.codes import Codes
from sparsight.core.records import Batch, Example, Facts, Logged, Schema, Step
from sparsight.core.sampling import orders, set_aside
from sparsight.distributed import World
from sparsight.errors import SparsightError
from sparsight.spec import build, describe

if TYPE_CHECKING:
    from sparsight.core.sae import SAE

Output = Literal["identity", "sigmoid", "softmax"]
Part = Literal["recon", "logits", "codes", "pre", "chosen", "weights"]
_BEGIN = 1024
"""Samples whose pre-activations an activation is told of."""


class Gradients(dict[str, Tensor]):
    """Gradients that are being added up, by what they are taken: `logits`, `codes`, or the name of a parameter."""

    def add(self, name: str, gradient: Tensor) -> None:
        """Add a tensor that nobody else holds, of a shape that broadcasts."""
        self[name] = self[name] + gradient if name in self else gradient

    def add_product(self, name: str, left: Tensor, right: Tensor) -> None:
        """Add left @ right."""
        self[name] = self[name].addmm_(left, right) if name in self else left @ right


@dataclass(frozen=True)
class Sizes:
    """The widths of an SAE."""

    n_inputs: int
    n_latents: int
    n_targets: int


class Source(ABC):
    """Where samples come from. Sources stay raw; what is done to them is a `Preprocess`."""

    schema: Schema

    @classmethod
    def opens(cls, path: str) -> dict[str, Any] | None:
        """The knobs with which this source reads a path (or a name), or None where it cannot."""
        return None

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def gather(self, ids: Tensor) -> Tensor:
        """The raw inputs of some samples, [n, D], float32."""

    def targets(self, ids: Tensor) -> Tensor | None:
        """The raw targets of some samples, [n, D_out], float32; None: they are the inputs."""
        return None

    def weights(self) -> Tensor | None:
        """A weight for every sample, [N], with a mean of 1; None: all are 1."""
        return None

    def labels(self) -> Tensor | None:
        """An index into `schema.classes` for every sample, −1 where it has none, [N]; None: there are no labels."""
        return None

    @abstractmethod
    def take(self, ids: Tensor) -> "Source":
        """The source of these samples alone, in this order."""

    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of the data."""

    def test_part(self) -> "Source | None":
        """The samples that the data set itself sets aside for testing; None: it does not."""
        return None

    def truth(self) -> Tensor | None:
        """The directions that samples are made of, [A, D], where they are known; `codes` then says of how much."""
        return None

    def codes(self, ids: Tensor) -> Codes:
        """How much of each true direction is in some samples, [n, A].

        Raises:
            SparsightError: nobody knows what the samples are made of.
        """
        raise SparsightError(f"what the samples of {describe(self)['name']} are made of is not known")

    def split(self, fraction: float, seed: int) -> tuple["Source", "Source | None"]:
        """Set a random fraction of the samples aside: (the rest, what was set aside or None)."""
        if not fraction:
            return self, None
        kept, held = set_aside(len(self), fraction, seed)
        return self.take(kept), self.take(held)

    def batches(self, size: int, seed: int, start: int = 0, world: World | None = None) -> Iterator[Batch]:
        """Endless shuffled batches from step `start` on; the order is a function of (seed, step).

        Epochs follow each other without a gap, so every batch is full and every sample is seen once per epoch.
        Process r of a world has the rows r, r + world.size, ... of each.
        """
        world = world or World()
        if size % world.size:
            raise SparsightError(f"a batch of {size} cannot be shared by {world.size} processes: take a multiple of it")
        positions = torch.arange(world.rank, size, world.size)
        for step, ids in enumerate(orders(len(self), size, seed, start), start):
            yield Batch(self, ids if world.size == 1 else ids[positions], positions, size, step)

    def chunks(self, size: int = 1024) -> Iterator[Batch]:
        """One pass over all samples in order, the last chunk as small as it comes: for meters, never for training."""
        for ids in torch.arange(len(self)).split(size):
            yield Batch(self, ids, torch.arange(len(ids)), len(ids))

    def show(self, id: int) -> Example:
        """One sample as people look at it."""
        labels, classes = self.labels(), self.schema.classes
        label = -1 if labels is None else int(labels[id])
        return Example(
            id=id,
            values=self.gather(torch.tensor([id]))[0].numpy(),
            shape=self.schema.shape,
            label=None if label < 0 or classes is None else classes[label],
            names=self.schema.names,
        )


class Preprocess(nn.Module, ABC):
    """A reversible change of the inputs, fitted once on the training data and saved with the model."""

    notes: tuple[str, ...] = ()
    """What `fit` found that the user should know, a sentence each."""

    def fit(self, stream: Callable[[], Iterator[Tensor]], schema: Schema) -> None:
        """Measure what `forward` needs. `stream()` passes once over the samples, [n, D] at a time."""

    def setup(self, n_inputs: int) -> None:
        """Create buffers of their final shape, to be filled by `fit` or from a file."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Raw units to the units of the model, [B, D]."""

    @abstractmethod
    def inverse(self, x: Tensor) -> Tensor:
        """The units of the model to raw units, [B, D], as far as that can be undone."""

    @abstractmethod
    def filters_in_raw_units(self, W_enc: Tensor) -> Tensor:
        """Encoder filters, [F, D], as they act on raw samples."""

    @abstractmethod
    def rows_in_raw_units(self, W_dec: Tensor) -> Tensor:
        """Decoder rows, [F, D], as they add to raw samples."""


class Corruption(ABC):
    """Noise on what the encoder sees, in training only, and fresh for every sample."""

    @abstractmethod
    def __call__(self, x: Tensor, batch: Batch, seed: int) -> Tensor:
        """The corrupted inputs. The noise is a function of (seed, step, position in the batch)."""


class Augmentation(ABC):
    """A change of the sample itself, input and target alike, in training only."""

    def check(self, schema: Schema) -> str | None:
        """Why this cannot be done to such samples; None where it can."""
        return None

    @abstractmethod
    def __call__(self, raw: Tensor, batch: Batch, schema: Schema, seed: int) -> Tensor:
        """The changed samples, [B, D], a function of (seed, step, position in the batch)."""


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

    def pull_back(self, codes: Codes, of_logits: Tensor, gradients: Gradients) -> Tensor:
        """The closed form of the gradient, where `closed_form` says so: that of dense codes; add the parameters'."""
        raise NotImplementedError


class Constraint(ABC):
    """Keeps the weights where they must be."""

    def before_step(self, sae: "SAE") -> None:
        """Change the gradients before the optimiser sees them."""

    def after_step(self, sae: "SAE") -> None:
        """Change the weights after the optimiser's step, and after initialisation."""


class Initialisation(ABC):
    """Where training starts."""

    @abstractmethod
    def __call__(self, sae: "SAE", sample: "Sampler", facts: Facts, seed: int) -> None:
        """Fill the weights in place."""

    @torch.no_grad()
    def begin(self, sae: "SAE", sample: "Sampler") -> None:
        """Tell the activation of pre-activations, once the weights are where the constraints want them."""
        sae.activation.begin(sae.pre(sample(_BEGIN)))


class Sampler(Protocol):
    """Draws different training samples, in the units of the model."""

    def __call__(self, n: int, /) -> Tensor:
        """Up to n inputs, [m, D]."""
        ...

    def pairs(self, n: int, /) -> tuple[Tensor, Tensor]:
        """Up to n inputs, [m, D], and their targets, [m, D_out]."""
        ...


class Term(nn.Module, ABC):
    """One summand of the loss: weight · value. It is a `SampleTerm` or a `StatisticTerm`, nothing else."""

    needs: frozenset[Part]
    """What of a `Step` it reads, and `weights` where it reads those of the SAE."""
    moves: tuple[str, ...]
    """The parameters that its gradient must reach, each of `W_enc`, `b_enc`, `W_dec`, `b_dec`."""
    weight: float
    warmup: float
    """The part of training over which the weight rises linearly from 0."""
    closed_form: bool = False
    """Whether `pull_back` gives the gradient, faster than autograd does."""
    sparsifies: ClassVar[bool] = False
    """Whether it is there to make codes sparse."""

    def check(self, sae: "SAE", facts: Facts) -> str | None:
        """Called once before training. A sentence says that the term has nothing to act on and is left out.

        Raises:
            SparsightError: the term would be wrong for this SAE or these data.
        """
        return None

    def now(self, progress: float) -> float:
        """The weight at this point of training, 0 to 1."""
        return self.weight * min(1.0, progress / self.warmup) if self.warmup else self.weight

    def silent(self, dead: Tensor | None) -> bool:
        """Whether value and gradient are 0 for certain, with these dead features."""
        return False

    def pull_back(self, step: Step, sae: "SAE", factor: float, gradients: Gradients) -> Tensor:
        """The reduced value; add `factor` times its gradient, by its closed form."""
        raise NotImplementedError


class SampleTerm(Term):
    """A mean over samples of a sum over inputs or features: E_b[ per_sample_b ]."""

    @abstractmethod
    def per_sample(self, step: Step, sae: "SAE") -> Tensor:
        """The value of each sample, [B]."""


class StatisticTerm(Term):
    """A function of a statistic that is a mean over samples, and of the weights: f(E_b[ s_b ], weights).

    The trainer averages the statistic over micro-batches and processes before f sees it, so the value and
    its gradient are those of the whole batch.
    """

    def statistic(self, step: Step, sae: "SAE") -> Tensor | None:
        """A mean over samples, any shape; None for a function of the weights alone."""
        return None

    def memory(self, batch_size: int) -> float:
        """The share of the past in a moving average of the statistic; 0: the batch is enough."""
        return 0.0

    @abstractmethod
    def value(self, statistic: Tensor | None, sae: "SAE") -> Tensor:
        """f, a scalar."""


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


@runtime_checkable
class Observer(Protocol):
    """What higher floors hang into training: progress bars, diagnosis, trackers, live pages."""

    def on_log(self, logged: Logged, /) -> None:
        """A line was written to the log."""

    def on_checkpoint(self, step: int, /) -> None:
        """A checkpoint was written."""

    def on_end(self, reason: str, /) -> None:
        """Training ended: `finished`, `early stop` or `interrupted`."""
