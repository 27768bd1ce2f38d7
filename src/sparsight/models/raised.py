"""Which tokens features raise and lower, as a file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from sparsight.errors import SparsightError


@dataclass(frozen=True)
class Raised:
    """Which tokens every feature raises and lowers.

    Attributes:
        tokens: [F, 2n], places in `texts`; the most raised first, the most lowered last.
        values: what is added to their logits, less the mean over all tokens, [F, 2n].
        texts: of the tokens.
    """

    tokens: np.ndarray
    values: np.ndarray
    texts: Sequence[str]

    @classmethod
    def of_tokens(cls, tokens: np.ndarray, values: np.ndarray, vocabulary: Sequence[str]) -> "Raised":
        """With the texts of those tokens alone that occur."""
        used, places = np.unique(tokens, return_inverse=True)
        texts = [vocabulary[n] if n < len(vocabulary) else f"[{n}]" for n in used.tolist()]
        return cls(places.reshape(tokens.shape).astype(np.int32), values.astype(np.float32), texts)

    def packed(self) -> bytes:
        """As a file of safetensors."""
        texts = json.dumps(list(self.texts), ensure_ascii=False)
        return save({"tokens": self.tokens, "values": self.values}, metadata={"texts": texts})

    @classmethod
    def open(cls, path: Path) -> "Raised":
        """Read what `packed` gave.

        Raises:
            SparsightError: it is missing or damaged.
        """
        try:
            with safe_open(path, framework="np") as file:
                texts = json.loads((file.metadata() or {})["texts"])
                return cls(file.get_tensor("tokens"), file.get_tensor("values"), texts)
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            said = str(error).splitlines()[0]
            raise SparsightError(
                f"{str(path)!r} is missing or damaged ({said}): `sparsight splice` makes it anew"
            ) from None

    def of(self, feature: int) -> dict[str, list[tuple[str, float]]]:
        """`raised` and `lowered` by a feature, each as (token, value), the most first."""
        pairs = [
            (self.texts[token], float(f"{value:.4g}"))
            for token, value in zip(self.tokens[feature].tolist(), self.values[feature].tolist(), strict=True)
        ]
        n = len(pairs) // 2
        return {"raised": pairs[:n], "lowered": pairs[n:][::-1]}
