"""What features fire at, in words: chosen on one half of the samples, scored on the other."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sparsight.core import generator
from sparsight.core.sampling import shuffled
from sparsight.meters.examples import Kept
from sparsight.meters.neighbours import NOTHING

DRAWN, FEWEST, BUDGET = 64, 8, 2**23
"""Samples in which it fires that are drawn for each feature and half: at most, at least, and for all features."""
LONGEST = 5
"""Words of a label."""
PRIOR = 10.0
"""Samples that the Dirichlet prior is worth."""
SURE = 1.96
"""Of the standard deviations by which a word must be more frequent where the feature fires."""
WAITING = 2**19
"""Entries that are gathered before some of them are drawn: sorting them all at once costs a tenth."""
BLOCK = 8192
"""Features that are looked at at once."""
_PURPOSE = 13


@dataclass(frozen=True)
class Labelled:
    """A label for each feature, and how well it tells where it fires, on samples that did not choose it."""

    words: Tensor  # [F, LONGEST], most distinctive first, −1 where there are fewer
    score: Tensor  # [F], φ, NaN where there is no label or nothing to score it on
    precision: Tensor  # [F], P(fires | its word is in the label)
    recall: Tensor  # [F], P(its word is in the label | fires)
    null: float
    """The mean score of labels that were chosen and scored in the same way where words are dealt out at random."""
    high: float
    """Below this are 95 % of those."""


class Labels:
    """The words that tell where a feature fires, streaming, in memory that does not grow with the samples.

    One half of the samples chooses, the other scores; groups are never torn. Of each half and feature up to 64 samples
    in which it fires are drawn at random, and the words of all samples are counted.

    - Choosing: by the log-odds of each word where the feature fires against where it does not, with the words of all
      samples as a Dirichlet prior, over its standard deviation (Monroe, Colaresi & Quinn 2008, eq. 22):
      z = δ / √(1/(y + α) + 1/(y' + α)). Of those with z > 1.96 that were drawn twice or more the first 1 to 5 in order,
      as many as correlate best with firing.
    - Score: φ, the correlation of two yes-or-no questions, whether the feature fires and whether the sample's word is
      in the label: φ = r (t − p) / √(r (1 − r) p (1 − p)) with the rate r, recall t = P(in label | fires) and
      p = P(in label). 1 is a label that says all, and 0 is chance at every rate. The size of codes plays no part.

    Args:
        n_latents: F.
        words: of every sample as a number below `n_words`, −1 where it has none, [N].
        n_words: how many there are.
        groups: samples with the same number are in one half, [N]; None: each stands for itself.
        seed: of the halves.
    """

    def __init__(
        self, n_latents: int, words: Tensor, n_words: int, groups: Tensor | None = None, *, seed: int = 0
    ) -> None:
        self.words, self.n_words, self.seed = words, n_words, seed
        self.half = _halves(len(words), groups, seed)
        known = words >= 0
        self.totals = [torch.bincount(words[known & (self.half == h)], minlength=n_words).double() for h in (0, 1)]
        n = min(DRAWN, max(FEWEST, BUDGET // n_latents))
        self._drawn = [Kept(n_latents, n) for _ in range(2)]
        self._waiting: list[list[tuple[Tensor, Tensor, Tensor, Tensor]]] = [[], []]
        self.fired = torch.zeros(2, n_latents, dtype=torch.float64)

    def update(self, features: Tensor, ids: Tensor, values: Tensor, keys: Tensor) -> None:
        """Add entries, [nnz] each: which feature fired in which sample, its code, and a random number."""
        half = torch.where(self.words[ids] >= 0, self.half[ids], NOTHING)
        for h in (0, 1):
            here = half == h
            self.fired[h] += torch.bincount(features[here], minlength=self.fired.shape[1])
            some = (here & (keys > self._drawn[h].keys[features, -1])).nonzero().squeeze(1)
            self._waiting[h].append((features[some], ids[some], values[some], keys[some]))
            if sum(len(part[0]) for part in self._waiting[h]) > WAITING:
                self._settle(h)

    def _settle(self, half: int) -> None:
        """Draw from those that wait."""
        if self._waiting[half]:
            features, ids, values, keys = (torch.cat(parts) for parts in zip(*self._waiting[half], strict=True))
            self._drawn[half].update(features, ids, values, keys)
            self._waiting[half] = []

    def drawn(self, half: int) -> Kept:
        """The samples of a half that were drawn for each feature."""
        self._settle(half)
        return self._drawn[half]

    def activity(self, n: int = LONGEST) -> tuple[Tensor, Tensor]:
        """The words that most of a feature's activity goes to, and their shares Σ_b∈word |codes_b| / Σ_b |codes_b|.

        Returns:
            words and shares, [F, n], descending; −1 and 0 where there are fewer.
        """
        words = torch.cat([self._drawn_words(h) for h in (0, 1)], 1)
        found, sums = _tallied(words, torch.cat([self.drawn(h).values.abs() for h in (0, 1)], 1).double())
        shares, best = (sums / sums.sum(1, keepdim=True).clamp_min(1e-300)).topk(min(n, found.shape[1]), dim=1)
        return torch.where(shares > 0, found.gather(1, best), NOTHING), shares

    def labelled(self) -> Labelled:
        """A label for each feature with its score."""
        drawn = [self._drawn_words(h) for h in (0, 1)]
        words = self._chosen(drawn[0])
        score, precision, recall = self._scored(words, drawn[1])
        at_random = [self._dealt(drawn[h], h) for h in (0, 1)]
        chance = self._scored(self._chosen(at_random[0]), at_random[1])[0]
        chance = chance[chance.isfinite()]
        null, high = (float(chance.mean()), float(chance.quantile(0.95))) if len(chance) else (math.nan, math.nan)
        return Labelled(words, score, precision, recall, null, high)

    def _drawn_words(self, half: int) -> Tensor:
        """The words of the samples that were drawn, [F, n]; −1 where there are fewer."""
        ids = self.drawn(half).ids
        return torch.where(ids >= 0, self.words[ids.clamp_min(0)], NOTHING)

    def _dealt(self, drawn: Tensor, half: int) -> Tensor:
        """As many words for each feature, drawn from all of the half."""
        pool = self.words[(self.half == half) & (self.words >= 0)]
        if not len(pool):
            return drawn
        picked = torch.randint(len(pool), drawn.shape, generator=generator(self.seed, _PURPOSE, half))
        return torch.where(drawn >= 0, pool[picked], NOTHING)

    def _chosen(self, drawn: Tensor) -> Tensor:
        """The label of each feature, [F, LONGEST]."""
        blocks = zip(drawn.split(BLOCK), self.fired[0].split(BLOCK), strict=True)
        return torch.cat([self._choice(block, fired) for block, fired in blocks])

    def _choice(self, drawn: Tensor, fired: Tensor) -> Tensor:
        word, count = _tallied(drawn, torch.ones(drawn.shape, dtype=torch.float64))
        every = self.totals[0][word.clamp_min(0)]
        n, total = count.sum(1, keepdim=True).clamp_min(1), self.totals[0].sum().clamp_min(1)
        elsewhere = (every - fired[:, None] * count / n).clamp_min(0)
        prior = PRIOR * every / total
        here, there = count + prior, elsewhere + prior
        odds = (here / (n + PRIOR - here)).log() - (there / (total - fired[:, None] + PRIOR - there)).log()
        z = odds / (1 / here + 1 / there).sqrt()
        z = torch.where((word >= 0) & (count >= 2) & (z > SURE), z, -torch.inf)
        best, at = z.topk(min(LONGEST, z.shape[1]), dim=1)
        word = torch.where(best > -torch.inf, word.gather(1, at), NOTHING)
        recall = torch.where(word >= 0, count.gather(1, at), 0).cumsum(1) / n
        share = torch.where(word >= 0, every.gather(1, at), 0).cumsum(1) / total
        length = _phi(fired[:, None] / total, recall, share).argmax(1, keepdim=True)
        kept = torch.where(torch.arange(word.shape[1]) <= length, word, NOTHING)
        return torch.nn.functional.pad(kept, (0, LONGEST - kept.shape[1]), value=NOTHING)

    def _scored(self, label: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """φ, precision and recall on the half that chose nothing, [F] each."""
        there = torch.cat(
            [
                ((a[:, :, None] == b[:, None, :]).any(2) & (a >= 0)).sum(1)
                for a, b in zip(drawn.split(BLOCK), label.split(BLOCK), strict=True)
            ]
        )
        n, total = (drawn >= 0).sum(1), self.totals[1].sum()
        share = torch.where(label >= 0, self.totals[1][label.clamp_min(0)], 0).sum(1) / total
        rate = self.fired[1] / total
        # a draw may hit more often than the label's words are there
        recall = torch.minimum(there / n, share / rate)
        known = (label[:, 0] >= 0) & (n > 0)
        figures = _phi(rate, recall, share), rate * recall / share, recall
        return tuple(torch.where(known, values, torch.nan) for values in figures)  # pyright: ignore[reportReturnType]


def _halves(n: int, groups: Tensor | None, seed: int) -> Tensor:
    """0 or 1 for each of n samples: half of the groups have 0, [n]."""
    order = torch.arange(n) if groups is None else groups.unique(return_inverse=True)[1]
    count = int(order.max()) + 1 if n else 0
    return (torch.from_numpy(shuffled(count, seed, _PURPOSE)) % 2)[order]


def _tallied(words: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The different words of each row with the sums of their weights, [F, n]; −1 and 0 where there are fewer."""
    ordered, order = words.sort(dim=1)
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    run = first.cumsum(1) - 1
    sums = torch.zeros_like(weights).scatter_add_(1, run, weights.gather(1, order)).gather(1, run)
    there = first & (ordered >= 0)
    return torch.where(there, ordered, NOTHING), torch.where(there, sums, 0.0)


def _phi(rate: Tensor, recall: Tensor, share: Tensor) -> Tensor:
    """The correlation of firing with being in the label; 0 where one of them is always or never so."""
    spread = (rate * (1 - rate) * share * (1 - share)).clamp_min(0).sqrt()
    return torch.where(spread > 0, rate * (recall - share) / spread.clamp_min(1e-300), 0.0)
