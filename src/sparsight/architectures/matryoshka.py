"""Matryoshka: nested prefixes of the features."""

from dataclasses import replace
from typing import Any

from sparsight.core import Architecture
from sparsight.spec import build, register
from sparsight.terms.nested_error import NestedError, Prefixes


@register("architecture", "matryoshka")
def matryoshka(*, base: str | dict[str, Any] = "topk", prefixes: Prefixes | None = None) -> Architecture:
    """The first m features must rebuild the sample alone, for each of some m (Bussmann et al. 2025).

    Its error is the mean over prefixes of ½‖error‖²; revival is that of the base, on the whole reconstruction.

    Args:
        base: the architecture that it is done to, with its knobs: all its parts but the error are taken.
        prefixes: numbers of features, or as floats shares of them, rising to all; None: 1/16, 1/8, 1/4, 1/2 and all.
    """
    parts: Architecture = build("architecture", base)
    return replace(parts, error=NestedError(prefixes=prefixes), knob=parts.knob and parts.knob.inside("base"))
