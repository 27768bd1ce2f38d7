import torch
from torch.nn import functional

from sparsight.meters.neighbours import NOTHING, nearest, roughly_nearest


def test_neighbours_are_found_block_by_block() -> None:
    rows = torch.randn(3000, 8, generator=torch.Generator().manual_seed(0))
    ids, values = nearest(3000, 2, lambda block: rows[block] @ rows.T)
    full = (rows @ rows.T).fill_diagonal_(-torch.inf)
    torch.testing.assert_close(values, full.topk(2, dim=1).values)
    torch.testing.assert_close(ids, full.topk(2, dim=1).indices)


def test_a_likeness_that_is_not_defined_is_nobodys() -> None:
    ids, values = nearest(3, 2, lambda rows: torch.full((rows.stop - rows.start, 3), -torch.inf))
    assert (ids == NOTHING).all()
    assert values.isnan().all()


def test_neighbours_from_nearby_cells_are_mostly_the_true_ones_where_rows_gather_and_the_recall_is_true() -> None:
    dice = torch.Generator().manual_seed(0)
    middles = torch.randn(60, 16, generator=dice).repeat_interleave(50, 0)
    unit = functional.normalize(middles + 0.3 * torch.randn(3000, 16, generator=dice), dim=1)
    ids, values, recall = roughly_nearest(unit, 4)
    exact, _ = nearest(3000, 4, lambda block: unit[block] @ unit.T)
    found = (exact[:, :, None] == ids[:, None, :]).any(2).double().mean()
    assert found > 0.9
    assert abs(float(found) - recall) < 0.05
    at = torch.arange(3000)[:, None].expand(-1, 4)[ids >= 0]
    torch.testing.assert_close((unit[at] * unit[ids[ids >= 0]]).sum(1), values[ids >= 0])
    assert not (ids == torch.arange(3000)[:, None]).any()
