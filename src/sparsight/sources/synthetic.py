"""Samples whose true features are known."""

import copy
import hashlib
import json
import math
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from sparsight.core import Codes, Schema, Source, generator
from sparsight.errors import SparsightError
from sparsight.sources._hashing import hashed, uniform
from sparsight.spec import describe, register

PRESETS = {"synthetic-small": {}, "synthetic-large": {"width": 768, "n_atoms": 2048, "active": 20.0}}
"""What the defaults are called, and another common size."""
MEMBERS = 5
"""Atoms of a group, where atoms are correlated or in a hierarchy."""
CORRELATION = 0.3
"""Of the firing of atoms in a group."""
CHILD = 0.25
"""The share of a parent's samples in which each of its children fires."""
TESTED = 8_192
"""Samples of the test part, at most."""
VERSION = 1
"""To be raised when the same knobs and the same number give another sample."""
Count = Annotated[int, Field(ge=1)]
_ATOMS, _GROUPS, _MEMBERS, _MAGNITUDES, _NOISE = range(11, 16)


@register("source", "synthetic")
class Synthetic(Source):
    """x = Σ_j c_j d_j + noise · ε, with unit Gaussian directions d_j, few magnitudes c_j that are not 0, ε ~ N(0, 1).

    A sample is a function of (seed, its number) alone, computed when it is asked for, so that any number of samples
    takes no memory. The test part is made of further samples of the same atoms.

    Firing is `independent`; `correlated`: in groups of 5 that are on together, with a correlation of .3 between the
    firing of any two (of the same frequency); or `hierarchical`: the first of each group of 5 is the parent of the
    others, and each of these fires in a quarter of its parent's samples and nowhere else.

    Args:
        n_samples: how many.
        width: D.
        n_atoms: A, the number of true features.
        active: the mean number of them in a sample.
        magnitudes: `exponential`: Exp(1); `uniform`: on [½, 1½]; `heavy`: Pareto with P(c > t) ~ t⁻³. All have a mean
            of 1.
        firing: what fires together.
        zipf: s in p_j = 1 − exp(−λ / j^s), the probability of the j-th atom, or group of a hierarchy; 0: all are equal.
        noise: the standard deviation of each input.
        seed: of atoms and samples.

    Raises:
        SparsightError: more atoms would fire than there are.
    """

    def __init__(
        self,
        *,
        n_samples: Count = 122_880,
        width: Count = 256,
        n_atoms: Count = 512,
        active: Annotated[float, Field(gt=0)] = 10.0,
        magnitudes: Literal["exponential", "uniform", "heavy"] = "exponential",
        firing: Literal["independent", "correlated", "hierarchical"] = "independent",
        zipf: Annotated[float, Field(ge=0)] = 0.0,
        noise: Annotated[float, Field(ge=0)] = 0.02,
        seed: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        self.schema = Schema(n_inputs=width)
        self.n_samples, self.n_atoms, self.seed = n_samples, n_atoms, seed
        self.magnitudes, self.firing, self.noise = magnitudes, firing, noise
        self.first, self.order = 0, None
        self.members = 1 if firing == "independent" else MEMBERS
        groups = -(-n_atoms // self.members)
        place = np.arange(n_atoms) // self.members
        if firing == "hierarchical":
            head = np.arange(n_atoms) % self.members == 0
            self._given = np.where(head, 1.0, CHILD)
            size = np.bincount(place, self._given)
            on = _frequencies(groups, active, zipf, size)
        else:
            rate = _frequencies(n_atoms, active, zipf, np.ones(n_atoms))
            most = np.maximum.reduceat(rate, np.arange(0, n_atoms, self.members))
            # P(i and j) = p² / on, which a correlation r makes p² + r p (1 − p)
            on = most / (most + CORRELATION * (1 - most)) if firing == "correlated" else most
            self._given = rate / on[place]
        self._rate = on[place] * self._given
        self._hazard = np.cumsum(-np.log1p(-on))

    @classmethod
    def opens(cls, path: str) -> dict[str, float] | None:
        return {} if path == "synthetic" else PRESETS.get(path)

    def __len__(self) -> int:
        return self.n_samples if self.order is None else len(self.order)

    @cached_property
    def atoms(self) -> Tensor:
        dice = generator(self.seed, _ATOMS)
        return functional.normalize(torch.randn(self.n_atoms, self.schema.n_inputs, generator=dice), dim=1)

    def truth(self) -> Tensor:
        """The dictionary, [A, D]: rows of length one."""
        return self.atoms

    def parents(self) -> Tensor:
        """The parent of each atom, [A]; −1 where it has none."""
        number = torch.arange(self.n_atoms)
        head = number // self.members * self.members
        return torch.where((head == number) | (self.firing != "hierarchical"), -1, head)

    def rate(self) -> Tensor:
        """The probability that each atom fires, [A], float64."""
        return torch.from_numpy(self._rate)

    def codes(self, ids: Tensor) -> Codes:
        """What the samples are made of, [n, A]."""
        number = self._numbers(ids)
        row, group = self._groups(number)
        atom = (group[:, None] * self.members + np.arange(self.members)).ravel()
        row = row.repeat(self.members)
        row, atom = row[atom < self.n_atoms], atom[atom < self.n_atoms]
        if self.members > 1:
            fires = uniform(hashed(self.seed, _MEMBERS, number[row], atom)) < self._given[atom]
            row, atom = row[fires], atom[fires]
        u = uniform(hashed(self.seed, _MAGNITUDES, number[row], atom))
        if self.magnitudes == "exponential":
            size = -np.log(u)
        else:
            size = u + 0.5 if self.magnitudes == "uniform" else 2 / 3 * u ** (-1 / 3)
        offsets = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(number)))])
        values = torch.from_numpy(size.astype(np.float32))
        return Codes(values, self.n_atoms, torch.from_numpy(atom), torch.from_numpy(offsets))

    def _groups(self, number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sample and group of every group that is on.

        A group is on where a Poisson process of rate 1 has a point between Σ_i<g h_i and Σ_i≤g h_i, which has the
        probability 1 − exp(−h_g), whatever the others do: the work is that of what is on, not of all there is.
        """
        end = self._hazard[-1]
        draws = math.ceil(end + 4 * math.sqrt(end) + 4)
        at, last = [], np.zeros(len(number))
        while not len(at) or (last < end).any():
            counter = np.arange(len(at) * draws, (len(at) + 1) * draws)
            steps = -np.log(uniform(hashed(self.seed, _GROUPS, number[:, None], counter)))
            at.append(last[:, None] + steps.cumsum(1))
            last = at[-1][:, -1]
        points = np.concatenate(at, 1)
        group = np.searchsorted(self._hazard, points)
        new = (points < end) & (np.diff(group, prepend=-1, axis=1) > 0)
        return new.nonzero()[0], group[new]

    def gather(self, ids: Tensor) -> Tensor:
        codes = self.codes(ids)
        values, index, offsets = codes.sparse()
        x = functional.embedding_bag(index, self.atoms, offsets, mode="sum", per_sample_weights=values,
                                     include_last_offset=True)  # fmt: skip
        if self.noise:
            x = x.add_(self._normal(self._numbers(ids)), alpha=self.noise)
        return x

    def _normal(self, number: np.ndarray) -> Tensor:
        """Standard normal numbers, [n, D] (Box & Muller 1958): two of each hash."""
        width = self.schema.n_inputs
        bits = hashed(self.seed, _NOISE, number[:, None], np.arange(-(-width // 2)))
        radius = torch.from_numpy(((bits >> np.uint64(40)).astype(np.float32) + 0.5) * 2**-24)
        angle = torch.from_numpy((bits & np.uint64(0xFFFFFF)).astype(np.float32)).mul_(2 * math.pi * 2**-24)
        radius = radius.log_().mul_(-2).sqrt_()
        return torch.cat([radius * angle.cos(), radius * angle.sin_()], 1)[:, :width]

    def _numbers(self, ids: Tensor) -> np.ndarray:
        """The numbers of samples among all that the seed could give."""
        return (ids if self.order is None else self.order[ids]).numpy() + self.first

    def take(self, ids: Tensor) -> Source:
        part = copy.copy(self)
        part.order = ids if self.order is None else self.order[ids]
        return part

    def test_part(self) -> Source | None:
        if self.first:
            return None
        part = copy.copy(self)
        part.first, part.order = self.n_samples, torch.arange(min(self.n_samples, TESTED))
        return part

    def fingerprint(self) -> str:
        """SHA-256 of the knobs and of the numbers of the samples, from which all else follows."""
        knobs = {**describe(self), "n_samples": None, "version": VERSION}
        hasher = hashlib.sha256(json.dumps(knobs, sort_keys=True).encode())
        for start in range(0, len(self), 2**20):
            ids = torch.arange(start, min(start + 2**20, len(self)))
            hasher.update(self._numbers(ids).astype("<i8").tobytes())
        return hasher.hexdigest()


def _frequencies(n: int, active: float, zipf: float, size: np.ndarray) -> np.ndarray:
    """p_j = 1 − exp(−λ / j^s) with Σ_j p_j size_j = active."""
    if active >= size.sum():
        raise SparsightError(f"active is {active:g} where at most {size.sum():g} atoms can fire: ask for fewer")
    weight = np.arange(1, n + 1) ** -zipf
    low, high = 0.0, 1.0
    while (size * -np.expm1(-high * weight)).sum() < active:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if (size * -np.expm1(-middle * weight)).sum() < active else (low, middle)
    return -np.expm1(-high * weight)
