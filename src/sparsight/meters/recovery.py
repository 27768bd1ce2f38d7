"""How much of a known dictionary was learned."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sparsight.core import SAE, Source, generator
from sparsight.errors import SparsightError
from sparsight.meters.moments import precise
from sparsight.meters.supports import Supports

FOUND = 0.9
"""The cosine from which on an atom counts as found."""
PAIRED = 8_192
"""Rows up to which pairs are the best of all; beyond, they are those that are each other's best."""
BLOCK = 2**24
"""Cosines that are in memory at once, but for the best pairs, which need them all."""
_PURPOSE = 9


def best(rows: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """max_k cos(rows_j, others_k) and the k, [n] each, in float64; a row of zeros has a cosine of 0 with all."""
    _check(rows, others)
    unit, to = _unit(rows), _unit(others).T
    found = [(block @ to).max(1) for block in unit.split(max(1, BLOCK // to.shape[1]))]
    return torch.cat([values for values, _ in found]), torch.cat([ids for _, ids in found])


def pairs(truth: Tensor, learned: Tensor) -> tuple[Tensor, Tensor]:
    """An atom and a feature for each of min(A, F) pairs, [m] each: no two share one, and Σ cos is the largest there is.

    The Hungarian method (Kuhn 1955; Jonker & Volgenant 1987), up to 8,192 rows on either side. Beyond, the pairs are
    atoms and features that are each other's best.
    """
    from scipy.optimize import linear_sum_assignment

    _check(truth, learned)
    if max(len(truth), len(learned)) > PAIRED:
        feature, back = best(truth, learned)[1], best(learned, truth)[1]
        atom = (back[feature] == torch.arange(len(truth), device=back.device)).nonzero().squeeze(1)
        return atom, feature[atom]
    atom, feature = linear_sum_assignment((_unit(truth) @ _unit(learned).T).cpu().numpy(), maximize=True)
    return torch.from_numpy(atom.astype(np.int64)), torch.from_numpy(feature.astype(np.int64))


def partners(rows: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """The partner of each row in the `pairs` of both, −1 where it has none, and their cosine, there 0, [n] each."""
    at, to = pairs(rows, others)
    partner, cosine = torch.full((len(rows),), -1), torch.zeros(len(rows), dtype=torch.float64)
    partner[at], cosine[at] = to, (_unit(rows[at]) * _unit(others[to])).sum(1)
    return partner, cosine


def agreement(truth: Tensor, learned: Tensor) -> dict[str, float]:
    """How much of a known dictionary was learned.

    With C_jk = cos(truth_j, learned_k):

    - `truth_to_learned` = E_j[ max_k C_jk ], the mean maximal cosine (Sharkey et al. 2022), and `learned_to_truth` =
      E_k[ max_j C_jk ]. The first is high for any large dictionary, the second for a small part of the right one;
    - `found`: the share of atoms with max_k C_jk ≥ .9;
    - `matched` = Σ C_jk / A over the best pairs, of which no two share an atom or a feature; see `pairs`;
    - `unique`: the share of features whose best atom is no other feature's best.

    `null.NAME` is what random directions give, as many as were learned.

    Args:
        truth: [A, D], rows of any length.
        learned: [F, D], in the same units.
    """
    return {**_figures(truth, learned, pairs(truth, learned)), **_null(truth, learned)}


@torch.no_grad()
def recovered(sae: SAE, source: Source) -> dict[str, float]:
    """The `agreement` of a source's own dictionary with the decoder, and how its best pairs fire, with their nulls.

    `f1`, `precision` and `recall` are those of `meters.supports.Supports`, over all samples of the source. Where
    nobody knows what the samples are made of there is nothing to say, {}.
    """
    truth = source.truth()
    if truth is None:
        return {}
    learned = sae.filters()["decoder"]
    matched = pairs(truth, learned)
    supports = Supports(*matched)
    training = sae.training
    sae.eval()
    for batch in source.chunks():
        supports.update(source.codes(batch.ids), sae.transform(batch.inputs.to(sae.b_dec)), batch.weight)
    sae.train(training)
    return {**_figures(truth, learned, matched), **supports.result(), **_null(truth, learned)}


@torch.no_grad()
def recovery(sae: SAE, source: Source) -> list[dict[str, float]]:
    """What became of each true feature: of every atom of a synthetic source, or of what was planted in real data.

    - `feature`: the decoder row that is nearest to it in the units of the data, and `cosine`, how near;
      `null.cosine`: to the nearest of as many random directions;
    - `f1` of their firing, and `null.f1` as in `meters.supports.Supports`;
    - `auc`: the probability that the feature's code is larger in a sample that has the atom than in one that has not,
      where ties count half; chance gives .5.

    Raises:
        SparsightError: nobody knows what the samples are made of.
    """
    from sklearn.metrics import roc_auc_score

    truth = source.truth()
    if truth is None:
        raise SparsightError("nobody knows what these samples are made of: give a synthetic source, or plant(source)")
    learned = sae.filters()["decoder"]
    cosine, feature = best(truth, learned)
    null = best(truth, random_like(learned))[0]
    supports = Supports(torch.arange(len(truth)), feature)
    there, codes = [], []
    training = sae.training
    sae.eval()
    for batch in source.chunks():
        true, found = source.codes(batch.ids), sae.transform(batch.inputs.to(sae.b_dec))
        supports.update(true, found, batch.weight)
        there.append(true.dense() != 0)
        codes.append(found.dense()[:, feature].cpu())
    sae.train(training)
    fires, size, weights = torch.cat(there).numpy(), torch.cat(codes).double().numpy(), source.weights()
    return [
        {
            "feature": int(feature[atom]),
            "cosine": float(cosine[atom]),
            "null.cosine": float(null[atom]),
            "f1": float(supports.f1[atom]),
            "null.f1": float(supports.null[atom]),
            "auc": float(roc_auc_score(fires[:, atom], size[:, atom], sample_weight=weights))
            if 0 < fires[:, atom].sum() < len(fires)
            else float("nan"),
        }
        for atom in range(len(truth))
    ]


def _figures(truth: Tensor, learned: Tensor, matched: tuple[Tensor, Tensor]) -> dict[str, float]:
    there, (back, whose) = best(truth, learned)[0], best(learned, truth)
    atom, feature = matched
    cosines = (_unit(truth)[atom] * _unit(learned)[feature]).sum(1)
    claims = torch.bincount(whose, minlength=len(truth))
    return {
        "truth_to_learned": float(there.mean()),
        "learned_to_truth": float(back.mean()),
        "found": float((there >= FOUND).double().mean()),
        "matched": float(cosines.sum() / len(truth)),
        "unique": float((claims[whose] == 1).double().mean()),
    }


def _null(truth: Tensor, learned: Tensor) -> dict[str, float]:
    random = random_like(learned)
    figures = _figures(truth, random, pairs(truth, random))
    return {f"null.{name}": value for name, value in figures.items()}


def random_like(like: Tensor) -> Tensor:
    """As many random directions, in float64."""
    return torch.randn(like.shape, generator=generator(0, _PURPOSE), dtype=torch.float64).to(like.device)


def _unit(rows: Tensor) -> Tensor:
    return functional.normalize(precise(rows), dim=1)


def _check(truth: Tensor, learned: Tensor) -> None:
    if truth.ndim != 2 or learned.ndim != 2 or truth.shape[1] != learned.shape[1] or not (len(truth) and len(learned)):
        raise SparsightError(
            f"dictionaries of the shapes {tuple(truth.shape)} and {tuple(learned.shape)} cannot be compared: "
            "give rows of one width"
        )
