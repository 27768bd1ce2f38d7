"""What a format of weights is, and the weights that all of them have in common."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparsight.activations.jumprelu import JumpReLU
from sparsight.activations.pursuit import Pursuit
from sparsight.core import SAE, Architecture, Schema
from sparsight.errors import SparsightError
from sparsight.layers.linear import LinearDecoder, LinearEncoder
from sparsight.preprocess.affine import Affine
from sparsight.spec import build


@dataclass(frozen=True, kw_only=True)
class Read:
    """A model that was read, and what the user should know of it."""

    sae: SAE
    notes: tuple[str, ...] = ()


class Format(ABC):
    """How a system keeps its weights; a file of this package registers one."""

    @abstractmethod
    def opens(self, path: Path) -> bool:
        """Whether a path is of this format, by what is there and not by what is in it."""

    @abstractmethod
    def read(self, path: Path) -> Read:
        """The model at a path, with the outputs that the system itself would give.

        Raises:
            SparsightError: files are missing, damaged or of another kind, or the model cannot be expressed.
        """

    def write(self, sae: SAE, folder: Path) -> tuple[str, ...]:
        """Write a model so that the system gives the same outputs; the notes say what is not the same.

        Raises:
            SparsightError: the system cannot express it, or the folder cannot be written.
        """
        raise SparsightError("this format is read only: write saelens, sparsify or sparsight")


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One hidden layer in the units of raw samples: pre = W_enc x + b, logits = codes W_dec + b_dec + W_skip x."""

    W_enc: Tensor  # [F, D]
    b: Tensor  # [F]
    W_dec: Tensor  # [F, D_out]
    b_dec: Tensor  # [D_out]
    W_skip: Tensor | None = None  # [D_out, D]

    @property
    def b_enc(self) -> Tensor:
        """The bias of an encoder that subtracts `b_dec` first, [F]."""
        return self.b + self.W_enc @ self.b_dec

    @property
    def n_latents(self) -> int:
        return len(self.W_enc)


def filled(architecture: str | Mapping[str, Any], weights: Weights) -> SAE:
    """An SAE of an architecture with these weights, in evaluation mode."""
    parts: Architecture = build("architecture", architecture)
    n_targets = weights.W_dec.shape[1] if parts.targets else None
    sae = SAE(Schema(n_inputs=weights.W_enc.shape[1], n_targets=n_targets), weights.n_latents, parts)
    encoder, decoder = sae.encoder, sae.decoder
    assert isinstance(encoder, LinearEncoder) and isinstance(decoder, LinearDecoder)
    with torch.no_grad():
        decoder.weight.copy_(weights.W_dec)
        decoder.bias.copy_(weights.b_dec)
        if encoder.own is not None:
            encoder.own.copy_(weights.W_enc)
        if encoder.biased:
            encoder.bias.copy_(weights.b_enc if encoder.centre else weights.b)
        if decoder.skip is not None and weights.W_skip is not None:
            decoder.skip.copy_(weights.W_skip)
    return sae.eval()


@torch.no_grad()
def set_threshold(sae: SAE, threshold: Tensor) -> None:
    """θ of a JumpReLU, [F]; one below 0 acts as 0, since codes are rectified."""
    assert isinstance(sae.activation, JumpReLU)
    sae.activation.threshold.copy_(threshold.clamp_min(0) / sae.activation.reach)


@torch.no_grad()
def with_bias_moved(sae: SAE, shift: Tensor) -> SAE:
    """A copy whose encoder's biases are moved by `shift`, [F]."""
    other = copy.deepcopy(sae)
    other.b_enc.add_(shift)
    return other


@torch.no_grad()
def raw_weights(sae: SAE, system: str) -> Weights:
    """The weights of an SAE with its preprocessing folded in, in float64.

    Raises:
        SparsightError: a system that knows linear layers alone cannot express it.
    """
    encoder, decoder = sae.encoder, sae.decoder
    name = sae.architecture["name"]
    if sae.encoder.layers or not isinstance(encoder, LinearEncoder) or not isinstance(decoder, LinearDecoder):
        raise SparsightError(f"{system} has no {name}: its encoder or decoder is more than one linear layer")
    if sae.output != "identity":
        raise SparsightError(
            f"{system} has linear outputs only, and this model puts its own through {sae.output}: keep it as sparsight"
        )
    other = [part for part in [*sae.preprocess, *sae.preprocess_targets] if not isinstance(part, Affine)]
    if other:
        raise SparsightError(
            f"{system} cannot express the preprocessing {type(other[0]).__name__}, which is no shift and scale of "
            "all samples alike: keep the model as sparsight, or train without it"
        )
    sae = _double(sae)
    tied = encoder.tied and isinstance(sae.activation, Pursuit)
    W_enc = sae.preprocess.filters_in_raw_units(sae.W_enc)
    W_dec = sae.preprocess_targets.rows_in_raw_units(sae.W_dec)
    if tied and not torch.equal(W_enc, W_dec):
        raise SparsightError(
            f"the filters of {name} are its decoder rows, and folding a scale into them makes them differ: "
            f"scale the data before training, and {system} can have it"
        )
    assert isinstance(sae.decoder, LinearDecoder)
    zero = sae.b_dec.new_zeros(1, sae.n_inputs)
    skip, shift = sae.decoder.skip, 0.0
    if skip is not None:  # it sees preprocessed samples and adds to preprocessed targets
        shift = sae.preprocess(zero)[0] @ skip.T
        skip = sae.preprocess_targets.rows_in_raw_units(sae.preprocess.filters_in_raw_units(skip).T).T
    return Weights(
        W_enc=W_enc,
        b=sae.pre(sae.preprocess(zero))[0],
        W_dec=W_dec,
        b_dec=sae.in_raw_units((sae.b_dec + shift)[None])[0],
        W_skip=skip,
    )


def _double(sae: SAE) -> SAE:
    """A copy in float64 on the CPU."""
    return copy.deepcopy(sae).cpu().double().eval()
