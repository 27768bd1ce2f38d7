import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sparsight.core import Codes


def pair(rows: int, features: int, seed: int) -> tuple[Codes, Codes]:
    """The same codes, ragged and dense; some rows are empty, and some stored values are 0."""
    dice = torch.Generator().manual_seed(seed)
    counts = torch.randint(0, features + 1, (rows,), generator=dice)
    index = torch.cat([torch.randperm(features, generator=dice)[:n] for n in counts])
    values = torch.randn(len(index), generator=dice, dtype=torch.float64).relu()
    offsets = torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)])
    ragged = Codes(values, features, index, offsets)
    dense = torch.zeros(rows, features, dtype=torch.float64)
    for row in range(rows):
        part = slice(int(offsets[row]), int(offsets[row + 1]))
        dense[row, index[part]] = values[part]
    return ragged, Codes(dense, features)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 6), st.integers(1, 7), st.integers(0, 1000))
def test_ragged_and_dense_codes_say_the_same(rows: int, features: int, seed: int) -> None:
    ragged, dense = pair(rows, features, seed)
    weight, scale = torch.rand(rows, dtype=torch.float64), torch.rand(features, dtype=torch.float64)
    n = features // 2 + 1

    def check(a: Tensor, b: Tensor) -> None:
        torch.testing.assert_close(a, b)

    assert len(ragged) == len(dense) == rows
    check(ragged.dense(), dense.dense())
    check(ragged.per_feature_sum(), dense.per_feature_sum())
    check(ragged.per_feature_sum(weight), dense.per_feature_sum(weight))
    check(ragged.fires(), dense.fires())
    check(ragged.per_sample_sum(), dense.per_sample_sum())
    check(ragged.per_sample_sum(scale), dense.per_sample_sum(scale))
    check(ragged.l0(), dense.l0())
    check(ragged.prefix(n).dense(), dense.prefix(n).dense())
    check(ragged.map(torch.sin).dense(), dense.map(torch.sin).dense())


def test_a_stored_zero_does_not_fire() -> None:
    codes = Codes.fixed(torch.tensor([[0.0, 2.0]]), torch.tensor([[1, 0]]), 3)
    assert codes.fires().tolist() == [True, False, False]
    assert codes.l0().tolist() == [1]


def test_gradients_pass_through_both_forms_alike() -> None:
    values, index = torch.rand(4, 2, requires_grad=True), torch.tensor([[0, 3], [1, 2], [3, 0], [2, 1]])
    target = torch.rand(4, 5)
    weight = torch.rand(4, 5)
    ((Codes.fixed(values, index, 4).dense() @ weight - target) ** 2).sum().backward()
    dense = torch.zeros(4, 4).scatter(1, index, values.detach()).requires_grad_()
    ((dense @ weight - target) ** 2).sum().backward()
    assert values.grad is not None
    assert dense.grad is not None
    torch.testing.assert_close(values.grad, dense.grad.gather(1, index))


def test_a_feature_that_is_stored_as_zero_in_every_sample_does_not_fire() -> None:
    dense = torch.tensor([[0.0, -1.0, 0.0], [0.0, 0.0, 2.0]])
    ragged = Codes.fixed(torch.tensor([[0.0, -1.0], [2.0, 0.0]]), torch.tensor([[0, 1], [2, 0]]), 3)
    for codes in (Codes(dense, 3), ragged):
        assert codes.fires().tolist() == [False, True, True]
