"""What samples are parts of, with a feature's codes at every part: tokens in a text, cells of a picture."""

import io
import unicodedata
from collections.abc import Iterable
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from sparsight.core import SAE, Context, Source
from sparsight.views.features import data_uri

LONGEST = 40
"""Letters of a token that are shown."""
SIDE = 512
"""Pixels of a picture's longer side, at most."""
SMALL = 128
"""Pixels up to which a picture is sent as it is."""
TOGETHER = 2**24
"""Pre-activations that are in memory at once."""
SIGNS = {"\n": "↵", "\r": "␍", "\t": "⇥", "\x7f": "␡"}
TURNS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Letters without a shape that turn the direction of what follows."""

Key = tuple[int, int]
"""A feature and a sample."""


def readable(token: str) -> str:
    """A token as people can read it: line breaks and other letters without a shape as signs, cut where it is long."""
    cut = token if len(token) <= LONGEST else f"{token[:LONGEST]}…"
    return "".join(map(_sign, cut))


def _sign(letter: str) -> str:
    if letter in SIGNS:
        return SIGNS[letter]
    if letter < " ":
        return chr(0x2400 + ord(letter))
    if letter in TURNS or letter in "\u2028\u2029\ufeff":
        return f"⟨{ord(letter):04X}⟩"
    return "�" if unicodedata.category(letter) in ("Cs", "Cn", "Cc") else letter


def word(text: str) -> str:
    """A token as it stands in a list, where the space before it says nothing."""
    return readable(text.strip(" ")) or "␣" * min(len(text), 4) or "∅"


@torch.no_grad()
def within(sae: SAE, source: Source, wanted: Iterable[Key], reach: int) -> dict[Key, dict[str, Any]]:
    """Samples in what they are parts of, with the code of a feature at every part, by feature and sample.

    All samples that are needed are encoded together, once. Samples that are wholes are left out.

    - `codes` of the parts in order, None where a part is no sample of the source; `here`: which part it is.
    - `tokens`, as `readable` has them; or `grid`, with `picture`, the number of a sample that `picture` knows it by.
    - `origin`: where it is from.

    Args:
        sae: the model.
        source: the samples.
        wanted: of which features in which samples.
        reach: tokens to both sides.
    """
    found: dict[int, Context | None] = {}
    there: dict[Key, Context] = {}
    for feature, sample in wanted:
        if sample not in found:
            found[sample] = source.context(sample, reach)
        context = found[sample]
        if context is not None:
            there[feature, sample] = context
    if not there:
        return {}
    ids = torch.tensor(sorted({part for context in there.values() for part in context.ids if part >= 0}))
    features = torch.tensor(sorted({feature for feature, _ in there}))
    codes = _codes(sae, source, ids, features)
    row = {sample: n for n, sample in enumerate(ids.tolist())}
    column = {feature: n for n, feature in enumerate(features.tolist())}
    return {
        key: record(context, [None if part < 0 else float(codes[row[part], column[key[0]]]) for part in context.ids])
        for key, context in there.items()
    }


def record(context: Context, codes: list[float | None] | None = None) -> dict[str, Any]:
    """A context as pages read it; see `within`. Without codes it has the samples of its parts, `ids`."""
    told: dict[str, Any] = {"here": context.here, "origin": readable_line(context.origin)}
    if codes is None:
        told["ids"] = list(context.ids)
    else:
        told["codes"] = [None if code is None else float(f"{code:.3g}") for code in codes]
    if context.tokens is not None:
        told["tokens"] = [readable(token) for token in context.tokens]
    else:
        told["grid"], told["picture"] = context.grid, min(part for part in context.ids if part >= 0)
    return told


def readable_line(text: str) -> str:
    """A line of any length."""
    return "".join(map(_sign, text[:200]))


def picture(source: Source, sample: int, side: int = SIDE) -> dict[str, Any] | None:
    """The picture that a sample is a part of, as an address, `uri`, with its `height` and `width`; None: there is none.

    Args:
        source: the samples.
        sample: of any part of it.
        side: pixels of its longer side, at most.
    """
    context = source.context(sample)
    if context is None or context.picture is None:
        return None
    height, width = context.picture.shape[:2]
    if max(height, width) <= min(SMALL, side):
        return {"uri": data_uri(context.picture), "height": height, "width": width}
    image = Image.fromarray(context.picture)
    image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return {"uri": data_uri(buffer.getvalue(), "jpeg"), "height": image.height, "width": image.width}


def _codes(sae: SAE, source: Source, ids: Tensor, features: Tensor) -> Tensor:
    """The codes of some features in some samples, [n, m]."""
    place = torch.full((sae.n_latents,), -1)
    place[features] = torch.arange(len(features))
    made = torch.zeros(len(ids), len(features))
    step = max(16, min(1024, TOGETHER // sae.n_latents))
    for part, rows in zip(ids.split(step), made.split(step), strict=True):
        codes = sae.transform(source.gather(part).to(sae.b_dec)).cpu()
        if codes.is_dense:
            rows.copy_(codes.values[:, features])
        else:
            values, index, _ = codes.sparse()
            at = place[index]
            known = at >= 0
            rows[codes.rows()[known], at[known]] = values[known].float()
    return made
