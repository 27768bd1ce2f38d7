import torch

from sparsight.meters.examples import NOTHING, Kept


def test_it_keeps_what_a_sort_of_everything_would() -> None:
    dice = torch.Generator().manual_seed(0)
    features, n, entries = 7, 5, 400
    kept = Kept(features, n)
    who = torch.randint(0, features - 1, (entries,), generator=dice)  # the last feature never fires
    keys = torch.randint(0, 40, (entries,), generator=dice).float()  # with ties
    ids, values = torch.arange(entries), torch.rand(entries, generator=dice)
    for part in torch.arange(entries).split(33):
        kept.update(who[part], ids[part], values[part], keys[part])
    for feature in range(features - 1):
        own = (who == feature).nonzero().squeeze(1)
        best = own[keys[own].argsort(descending=True, stable=True)][:n]
        torch.testing.assert_close(kept.ids[feature], ids[best])
        torch.testing.assert_close(kept.keys[feature], keys[best])
        torch.testing.assert_close(kept.values[feature], values[best])
    assert (kept.ids[-1] == NOTHING).all()
    assert (kept.values[-1] == 0).all()


def test_with_fewer_entries_than_places_the_rest_stays_empty() -> None:
    kept = Kept(2, 3)
    kept.update(torch.tensor([1]), torch.tensor([9]), torch.tensor([0.5]), torch.tensor([2.0]))
    assert kept.ids.tolist() == [[NOTHING] * 3, [9, NOTHING, NOTHING]]
