"""A model as far as it can be looked at, wherever it was trained."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from sparsight.core.codes import Codes


@dataclass(frozen=True, kw_only=True)
class Model:
    """Two functions, and what is known of the weights behind them, in the units of raw samples."""

    encode: Callable[[Tensor], Codes]
    """Raw samples, [n, D] float32, to codes."""
    decode: Callable[[Codes, Tensor], Tensor] | None = None
    """Codes and the raw samples that they are of, to raw reconstructions, [n, D_out]; None: nobody knows how."""
    prepare: Callable[[Tensor], Tensor] | None = None
    """Raw samples to what the encoder sees of them, [n, D]; None: nobody knows, or they are what it sees."""
    W_enc: Tensor | None = None
    """Encoder filters, [F, D]."""
    W_dec: Tensor | None = None
    """Decoder rows, [F, D_out]."""
    b_enc: Tensor | None = None
    """pre = W_enc x + b_enc of raw samples, [F]."""
    b_dec: Tensor | None = None
    """[D_out]"""
    bounds: tuple[float, float] | None = None
    """Codes never leave this interval; None: nobody knows."""
    activation: str | None = None
    output: str | None = None
    notes: tuple[str, ...] = ()
    """What was inferred and not said, a sentence each."""
