"""What is done to samples: before the model sees them, and in training."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

from torch import Tensor, nn

from sparsight.core.records import Batch, Schema


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

    def restore(self, x: Tensor, raw: Tensor) -> Tensor:
        """As `inverse`, of what was made of the samples `raw`, [B, D]: what they alone know is taken from them."""
        return self.inverse(x)

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
