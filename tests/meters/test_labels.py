"""Labels: words that tell where a feature fires, chosen on one half of the samples and scored on the other."""

import numpy as np
import pytest
import torch
from sklearn.metrics import matthews_corrcoef
from torch import Tensor

from sparsight.core import generator
from sparsight.meters.labels import DRAWN, LONGEST, Labels

WORDS = 40
N = 6_000


def words(n: int = N, seed: int = 0) -> Tensor:
    """Words, of which some are a hundred times as frequent as others."""
    return torch.multinomial(1 / torch.arange(1.0, WORDS + 1), n, True, generator=generator(seed))


def seen(fires: Tensor, word: Tensor, groups: Tensor | None = None, parts: int = 7, sizes: float = 1.0) -> Labels:
    """A meter of some features, [N, F], that has seen all samples in parts."""
    meter = Labels(fires.shape[1], word, WORDS, groups)
    for ids in torch.arange(len(word)).chunk(parts):
        rows, features = fires[ids].nonzero(as_tuple=True)
        keys = torch.rand(len(rows), generator=generator(int(ids[0])))
        meter.update(features, ids[rows], torch.full((len(rows),), sizes), keys)
    return meter


def chosen(meter: Labels) -> list[set[int]]:
    return [set(row[row >= 0].tolist()) for row in meter.labelled().words]


def test_a_feature_that_fires_at_some_words_is_called_by_them() -> None:
    word = words()
    groups = [{0}, {3, 7}, {5, 11, 30}]
    fires = torch.stack([torch.isin(word, torch.tensor(list(group))) for group in groups], 1)
    meter = seen(fires, word)
    assert chosen(meter) == groups
    found = meter.labelled()
    for figure in (found.score, found.precision, found.recall):
        np.testing.assert_allclose(figure, 1, atol=1e-9)


def test_the_score_is_the_correlation_on_the_half_that_chose_nothing() -> None:
    word = words(400)
    fires = torch.isin(word, torch.tensor([4, 9])) ^ (torch.rand(400, generator=generator(1)) < 0.02)
    meter = seen(fires[:, None], word)
    assert int(meter.fired.max()) < DRAWN, "all are drawn, so that the score is exact"
    other = meter.half == 1
    said = torch.isin(word, meter.labelled().words[0])
    assert float(meter.labelled().score) == pytest.approx(matthews_corrcoef(fires[other], said[other]))
    both = fires & said & other
    assert float(meter.labelled().precision) == pytest.approx(float(both.sum() / (said & other).sum()))
    assert float(meter.labelled().recall) == pytest.approx(float(both.sum() / (fires & other).sum()))


def test_from_a_draw_the_score_is_near_that_of_all_samples() -> None:
    word = words()
    dice = torch.rand(N, generator=generator(2))
    fires = (torch.isin(word, torch.tensor([1, 2])) & (dice < 0.8)) | (dice < 0.02)
    meter = seen(fires[:, None], word)
    assert int(meter.fired.min()) > 3 * DRAWN
    said, other = torch.isin(word, meter.labelled().words[0]), meter.half == 1
    assert float(meter.labelled().score) == pytest.approx(matthews_corrcoef(fires[other], said[other]), abs=0.08)


def test_what_fires_at_random_has_no_score_and_neither_has_the_null() -> None:
    word = words()
    meter = seen(torch.rand(N, 60, generator=generator(3)) < torch.linspace(0.002, 0.3, 60), word)
    found = meter.labelled()
    assert abs(float(found.score.nanmean())) < 0.02
    assert abs(found.null) < 0.02
    assert found.null < found.high < 0.2


def test_a_label_that_was_only_luck_falls_on_the_other_half() -> None:
    word = torch.arange(N) % WORDS
    fires = torch.zeros(N, 1, dtype=torch.bool)
    half = Labels(1, word, WORDS).half
    fires[(half == 0) & (word == 3)] = True  # true of the half that chooses alone
    fires[(half == 1) & (word == 8)] = True
    meter = seen(fires, word)
    assert chosen(meter) == [{3}]
    assert float(meter.labelled().score) < 0
    assert float(meter.labelled().recall) == 0


def test_groups_are_never_torn() -> None:
    groups = torch.arange(N) // 50
    half = seen(torch.zeros(N, 1, dtype=torch.bool), words(), groups).half
    assert all(len(part.unique()) == 1 for part in half.split(50))
    assert int(half.sum()) == N // 2


def test_figures_do_not_depend_on_how_samples_were_shared_out() -> None:
    word = words(500)
    fires = torch.isin(word, torch.tensor([4, 9]))[:, None]
    once, often = seen(fires, word, parts=1).labelled(), seen(fires, word, parts=20).labelled()
    assert torch.equal(once.words, often.words)
    assert torch.equal(once.score, often.score)


def test_what_never_fires_or_has_no_words_has_no_label() -> None:
    meter = seen(torch.zeros(N, 2, dtype=torch.bool), words())
    assert chosen(meter) == [set(), set()]
    assert meter.labelled().score.isnan().all()
    none = seen(torch.ones(30, 1, dtype=torch.bool), torch.full((30,), -1))
    assert chosen(none) == [set()]
    assert (none.activity()[0] == -1).all()


def test_activity_goes_to_words_in_shares() -> None:
    word = torch.tensor([2, 2, 5, 7, -1])
    meter = Labels(1, word, WORDS)
    for ids, values in (([0, 1], [1.0, 2.0]), ([2, 3, 4], [-4.0, 3.0, 9.0])):
        which = torch.tensor(ids)
        meter.update(torch.zeros_like(which), which, torch.tensor(values), torch.rand(len(ids)))
    found, shares = meter.activity()
    assert dict(zip(found[0].tolist(), shares[0].tolist(), strict=True)) == pytest.approx(
        {5: 0.4, 2: 0.3, 7: 0.3, -1: 0}
    )
    assert found.shape == (1, LONGEST)
