"""Records: what passes between the parts."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from sparsight.core.codes import Codes
from sparsight.errors import SparsightError

if TYPE_CHECKING:
    from sparsight.core.source import Source

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Schema:
    """What a source says of its samples."""

    n_inputs: int
    n_targets: int | None = None
    """Where inputs and targets differ; else they are the same."""
    target_shape: tuple[int, ...] | None = None
    """The geometry of one target, where inputs and targets differ."""
    sites: dict[str, int] | None = None
    """The name and width of each part of a sample, in order, where it is put together from several (a crosscoder's)."""
    shape: tuple[int, ...] | None = None
    """The geometry of one sample: (height, width) or (height, width, channels). None: it has none."""
    names: tuple[str, ...] | None = None
    """The names of the inputs, such as columns."""
    classes: tuple[str, ...] | None = None
    """The names of the labels, where samples have one."""

    def __post_init__(self) -> None:
        if self.shape is not None and int(np.prod(self.shape)) != self.n_inputs:
            raise SparsightError(f"a sample of {self.n_inputs} inputs cannot have the shape {self.shape}")
        if self.sites is not None and sum(self.sites.values()) != self.n_inputs:
            raise SparsightError(f"sites of the widths {self.sites} do not make a sample of {self.n_inputs} inputs")

    def at_sites(self, rows: Tensor) -> dict[str, Tensor]:
        """The columns of rows, [n, D], that belong to each site, [n, D_s]; without sites all of them, as `all`."""
        widths = self.sites or {"all": self.n_inputs}
        return dict(zip(widths, rows.split(list(widths.values()), dim=1), strict=True))

    @property
    def of_targets(self) -> "Schema":
        """What targets are like: this schema, where they are the inputs."""
        return self if self.n_targets is None else Schema(n_inputs=self.n_targets, shape=self.target_shape)

    @property
    def alike(self) -> bool:
        """Whether targets have the width and the geometry of inputs, so that decoder rows are filters of their kind."""
        targets = self.of_targets
        return (targets.n_inputs, targets.shape) == (self.n_inputs, self.shape)


@dataclass(frozen=True, slots=True)
class Batch:
    """Which samples of a source are taken together; they are read when they are asked for.

    So a batch of all samples, in micro-batches, is never in memory as a whole. Where several models step on the same
    batch, `kept` holds what was read and made of it for those that come later; nobody changes that in place.
    """

    source: "Source"
    ids: Tensor  # [B], which sample of the source each row is
    positions: Tensor  # [B], the row's place in the whole batch
    size: int
    """Of the whole batch, over all processes."""
    step: int = 0
    kept: dict[Hashable, Any] | None = None
    """None: nothing is kept."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def inputs(self) -> Tensor:
        """Raw samples, [B, D]."""
        return self.once("inputs", lambda: self.source.gather(self.ids))

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` makes; where things are kept, only the first that asks for this key makes it."""
        if self.kept is None:
            return make()
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    @property
    def targets(self) -> Tensor | None:
        """Raw targets, [B, D_out]; None: they are the inputs."""
        return self.once("targets", lambda: self.source.targets(self.ids))

    @property
    def weight(self) -> Tensor | None:
        """With a mean of 1 over the source, [B]; None: all are 1."""
        weights = self.source.weights()
        return None if weights is None else weights[self.ids]

    def part(self, rows: slice) -> "Batch":
        """Some of the rows; noise and augmentation know each row by its position and do not change."""
        kept = None if self.kept is None else self.kept.setdefault((rows.start, rows.stop), {})
        if kept is not None and self.kept is not None:  # what was read for the whole is not read again
            for name in {"inputs", "targets"} & self.kept.keys():
                kept[name] = None if self.kept[name] is None else self.kept[name][rows]
        return replace(self, ids=self.ids[rows], positions=self.positions[rows], kept=kept)


@dataclass(frozen=True, slots=True)
class Step:
    """One forward pass: all that terms, meters and rules may see."""

    x: Tensor  # [B, D], what the encoder saw: preprocessed, and corrupted in training
    target: Tensor  # [B, D_out], what must be rebuilt: preprocessed
    codes: Codes
    logits: Tensor  # [B, D_out], the decoder's sum before its output function
    recon: Tensor  # [B, D_out]
    pre: Tensor | None = None  # [B, F], only where a term asks for it
    chosen: Codes | None = None
    """The pre-activations that codes and their gradients depend on, where the activation `selects`."""
    dead: Tensor | None = None  # [F], bool; None: no feature is dead
    weight: Tensor | None = None  # [B]
    progress: float = 1.0  # how much of the training is done

    def mean(self, per_sample: Tensor) -> Tensor:
        """The one reduction of a `SampleTerm`: mean over samples, weighted where they have weights."""
        return per_sample.mean() if self.weight is None else (per_sample * self.weight).mean()

    def mean_codes(self) -> Tensor:
        """The mean activity of each feature, taken over samples, [F]."""
        return self.codes.per_feature_sum(self.weight) / len(self.codes)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was measured of the targets in one pass before training, in the units of the model."""

    schema: Schema
    n_samples: int
    mean: Tensor  # [D_out], float64
    variance: Tensor  # [D_out], float64
    low: float
    high: float
    row_sum_error: float
    """Largest |Σ_i target_i − 1|: 0 where rows are distributions."""
    batch_size: int

    @property
    def power(self) -> float:
        """E‖target − mean‖², the denominator of the explained variance."""
        return float(self.variance.sum())


@dataclass(frozen=True, kw_only=True)
class Example:
    """One sample as people look at it."""

    id: int
    values: np.ndarray  # [D], raw
    shape: tuple[int, ...] | None = None
    label: str | None = None
    names: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a sample is a part of: a token of a text, or a place in a picture.

    A text has `tokens`, one for each part; a picture has `picture` and `grid`, whose cells, row by row, are the parts.
    """

    ids: tuple[int, ...]
    """The sample that each part is; −1: none of this source."""
    here: int
    """Which of the parts was asked for."""
    tokens: tuple[str, ...] | None = None
    """As people read them, spaces included: joined they are the text."""
    picture: np.ndarray | None = None  # [height, width, 3], uint8
    grid: tuple[int, int] | None = None  # (rows, columns)
    origin: str = ""
    """Where it is from, such as a document and a place in it, or the name of a file."""


@dataclass(frozen=True, kw_only=True)
class Logged:
    """One line of a run's log."""

    step: int
    steps: int
    samples: int
    epoch: float
    seconds: float
    lr: float
    loss: float
    terms: dict[str, dict[str, Any]]
    """For each term: `value` (unweighted), `weight`, `loss` (their product) and `share`: its part of
    the gradient's size in each group of parameters, ‖g_term‖ / Σ ‖g‖."""
    explained_variance: float
    l0: float
    mean_activity: float
    dead: int
    held_out: dict[str, float] = field(default_factory=dict)


def generator(*key: int) -> torch.Generator:
    """A generator that depends on the whole key, such as (seed, purpose, step), and on nothing else."""
    state = int(np.random.SeedSequence([k & 0xFFFFFFFF for k in key]).generate_state(2, np.uint64)[0])
    return torch.Generator().manual_seed(state & 0x7FFFFFFFFFFFFFFF)
