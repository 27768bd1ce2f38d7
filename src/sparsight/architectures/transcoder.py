"""Transcoders: from inputs to targets of another kind."""

from dataclasses import replace
from typing import Any

from sparsight.core import Architecture
from sparsight.errors import SparsightError
from sparsight.initialisations.pairs import Pairs
from sparsight.layers.linear import LinearDecoder, LinearEncoder
from sparsight.spec import build, describe, register

Base = str | dict[str, Any]


@register("architecture", "transcoder")
def transcoder(*, base: Base = "topk") -> Architecture:
    """Rebuild the targets of a source from its inputs, such as a layer's outputs (Dunefsky, Chlenski & Nanda 2024).

    codes = activation(W_enc x + b_enc) and recon = codes W_dec + b_dec: inputs and targets are of different spaces, so
    the encoder does not subtract `b_dec`.

    Args:
        base: the architecture whose activation, error, terms and constraints it takes, with its knobs.

    Raises:
        SparsightError: the base has an encoder or a decoder of its own, or ties them.
    """
    return _over(base, skip=False)


@register("architecture", "skip_transcoder")
def skip_transcoder(*, base: Base = "topk") -> Architecture:
    """A transcoder with a linear way past the codes: recon = codes W_dec + b_dec + W_skip x (Paulo et al. 2025).

    Args:
        base: as `transcoder` has it.

    Raises:
        SparsightError: as with `transcoder`.
    """
    return _over(base, skip=True)


def _over(base: Base, *, skip: bool) -> Architecture:
    parts: Architecture = build("architecture", base)
    name, encoder = describe(parts)["name"], parts.encoder
    if not isinstance(encoder, LinearEncoder) or encoder.tied or not isinstance(parts.decoder, LinearDecoder):
        raise SparsightError(f"{name} cannot be the base of a transcoder: that needs a linear encoder that is not tied")
    return replace(
        parts,
        encoder=LinearEncoder(centre=False),
        decoder=LinearDecoder(skip=skip),
        initialisation=Pairs(),
        targets=True,
        knob=parts.knob and parts.knob.inside("base"),
    )
