"""Sparse codes for a given dictionary."""

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

TOLERANCE = 1e-9
"""Where no atom's part of the residual is above this share of the sample, the sample is rebuilt."""
ROUNDS = 30
"""Multiplicative steps before and after the choice of the k largest."""


def pursue(x: Tensor, atoms: Tensor, k: int) -> Tensor:
    """Orthogonal matching pursuit: k times, add the atom nearest to the residual and refit all chosen, [B, F].

    On orthogonal atoms these are the k largest codes. The refit goes by a Cholesky factor of the chosen atoms' Gram
    matrix that grows by a row at a time (Pati, Rezaiifar & Krishnaprasad 1993; Rubinstein, Zibulevsky & Elad 2008).

    Args:
        x: [B, D].
        atoms: [F, D], of any length.
        k: at most this many codes of a sample are not 0. With all atoms it is least squares.
    """
    if k >= len(atoms):
        return x @ torch.linalg.pinv(atoms)
    lengths = atoms.norm(dim=1)
    unit = atoms / torch.where(lengths > 0, lengths, 1.0)[:, None]
    gram, match = unit @ unit.T, x @ unit.T  # [F, F], [B, F]
    n = len(x)
    chosen = torch.zeros(n, k, dtype=torch.long)
    factor, wanted = x.new_zeros(n, k, k), x.new_zeros(n, k, 1)
    rows, residual, codes = torch.arange(n), match, torch.zeros_like(match)
    least = TOLERANCE * x.norm(dim=1)
    for m in range(k):
        best, pick = residual.abs().scatter(1, chosen[:, :m], -1.0).max(1)
        going = (best > least).to(x)
        if not going.any():
            break
        chosen[:, m] = pick
        if m:
            cross = gram[chosen[:, :m], pick[:, None]] * going[:, None]  # [B, m]
            row = torch.linalg.solve_triangular(factor[:, :m, :m], cross[:, :, None], upper=False)[:, :, 0]
            factor[:, m, :m] = row
            factor[:, m, m] = (1 - row.square().sum(1)).clamp_min(TOLERANCE).sqrt()
        else:
            factor[:, 0, 0] = 1
        wanted[:, m, 0] = match[rows, pick] * going
        found = torch.cholesky_solve(wanted[:, : m + 1], factor[:, : m + 1, : m + 1])[:, :, 0]
        rebuilt = embedding_bag(chosen[:, : m + 1], unit, mode="sum", per_sample_weights=found)
        residual = (x - rebuilt) @ unit.T
        codes = torch.zeros_like(match).scatter(1, chosen[:, : m + 1], found)
    return codes / torch.where(lengths > 0, lengths, 1.0)


def pursue_positive(x: Tensor, atoms: Tensor, k: int) -> Tensor:
    """Codes that are not negative for samples and atoms that are not: the k largest, refitted, [B, F].

    codes ← codes · (x atomsᵀ) / (codes atoms atomsᵀ) makes the error smaller and leaves zeros at 0 (Lee & Seung 2001).

    Args:
        x: [B, D], no value below 0.
        atoms: [F, D], no value below 0.
        k: at most this many codes of a sample are not 0; the largest by code times length of the atom.
    """
    match, gram = x @ atoms.T, atoms @ atoms.T
    smallest = torch.finfo(x.dtype).tiny

    def refined(codes: Tensor) -> Tensor:
        for _ in range(ROUNDS):
            codes = codes * match / (codes @ gram).clamp_min(smallest)
        return codes

    codes = refined(match)
    largest = (codes * atoms.norm(dim=1)).topk(min(k, len(atoms)), dim=1).indices
    return refined(torch.zeros_like(codes).scatter(1, largest, codes.gather(1, largest)))
