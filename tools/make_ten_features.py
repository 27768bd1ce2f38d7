"""Ten features of a run on tokens, with examples as they come: `python tools/make_ten_features.py RUN`.

Which features, and which of their tokens, is decided by rule and by seed alone: the features 0, F/10, 2F/10, ..., and
of the held-out tokens in which a feature fires three at random from each fifth of its codes, sorted by size. What stands
before the marker in the page was written by people and stays.
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sparsight.core import SAE, Source
from sparsight.core.records import Context
from sparsight.job import data_of
from sparsight.run import Run

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "ten-features.md"
MARKER = "<!-- examples -->\n"
FEATURES, FIFTHS, EXAMPLES, REACH = 10, 5, 3, 9
COMMON = 5
"""Tokens that are named with their share."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    run = Run.open(parser.parse_args().run)
    held_out, sae = data_of(run)[1], run.sae()
    chosen = torch.arange(FEATURES) * (sae.n_latents // FEATURES)
    codes = fired(sae, held_out, chosen)
    written = PAGE.read_text(encoding="utf-8").partition(MARKER)[0] if PAGE.exists() else "# Ten features\n\n"
    found = [section(held_out, int(feature), codes[:, n]) for n, feature in enumerate(chosen)]
    PAGE.write_text("\n".join([written + MARKER, *found]), encoding="utf-8")


@torch.no_grad()
def fired(sae: SAE, source: Source, features: Tensor) -> Tensor:
    """The codes of some features in all samples, [N, features]."""
    return torch.cat([sae.transform(batch.inputs).dense()[:, features] for batch in source.chunks()])


def section(source: Source, feature: int, codes: Tensor) -> str:
    """What is shown of one feature."""
    ids = codes.nonzero().squeeze(1)
    head = f"## Feature {feature}\n\n"
    if len(ids) < FIFTHS:
        return f"{head}It fires in {len(ids)} of {len(codes):,} held-out tokens: too few for five fifths.\n"
    order = ids[codes[ids].argsort(descending=True, stable=True)]
    rng = np.random.default_rng(feature)
    lines = ["| fifth | code | the token, in its text |", "|---|---:|---|"]
    for number, fifth in enumerate(order.tensor_split(FIFTHS), 1):
        for at in np.sort(rng.permutation(len(fifth))[:EXAMPLES]):
            place = source.context(int(fifth[at]), REACH)
            assert place is not None
            lines.append(f"| {number} | {float(codes[fifth[at]]):.2f} | {shown(place)} |")
    return f"{head}{said(source, ids, codes)}\n\n" + "\n".join(lines) + "\n"


def said(source: Source, ids: Tensor, codes: Tensor) -> str:
    """How often it fires, and on which tokens most."""
    words = Counter(token(source, int(number)) for number in ids)
    named = ", ".join(f"“{plain(word)}” {n / len(ids):.0%}" for word, n in words.most_common(COMMON))
    return (
        f"It fires in {len(ids):,} of {len(codes):,} held-out tokens ({len(ids) / len(codes):.2%}), "
        f"{len(words):,} different ones; most often on {named}."
    )


def token(source: Source, number: int) -> str:
    place = source.context(number, 0)
    assert place is not None
    assert place.tokens is not None
    return place.tokens[place.here].strip() or "(space)"


def shown(place: Context) -> str:
    """A cell of a table, the token in bold."""
    assert place.tokens is not None
    parts = [plain(word) for word in place.tokens]
    here = parts[place.here]
    parts[place.here] = f"{' ' * here.startswith(' ')}<b>{here.strip() or '␣'}</b>"
    return "".join(parts).strip()


def plain(text: str) -> str:
    """Text that means nothing in Markdown."""
    return "".join(f"&#{ord(c)};" if c in "*_`|[]<>&#\\~" else " " if c in "\n\r" else c for c in text)


if __name__ == "__main__":
    main()
