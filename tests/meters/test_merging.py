"""However samples are shared out, the figures are the same."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sparsight.core import Codes, Step
from sparsight.errors import SparsightError
from sparsight.meters.information import Information
from sparsight.meters.merging import over_processes
from sparsight.meters.quality import Quality
from sparsight.meters.supports import Absorption, Supports

A, F, N = 6, 8, 40
PARENT = torch.tensor([-1, 0, 0, -1, 3, 3])


def data() -> dict[str, Tensor]:
    dice = torch.Generator().manual_seed(0)

    def sparse(width: int) -> Tensor:
        values = torch.rand(N, width, generator=dice)
        return values * (torch.rand(N, width, generator=dice) < 0.4)

    x = torch.randn(N, 3, generator=dice)
    return {
        "x": x,
        "recon": x + 0.3 * torch.randn(N, 3, generator=dice),
        "truth": sparse(A),
        "codes": sparse(F),
        "labels": torch.randint(-1, 3, (N,), generator=dice),
        "weight": torch.rand(N, generator=dice),
    }


def made(name: str) -> Any:
    pairs = torch.arange(A), torch.tensor([3, 1, -1, 0, 7, 2])
    return {
        "quality": Quality,
        "supports": lambda: Supports(*pairs),
        "absorption": lambda: Absorption(torch.arange(A), PARENT),
        "information": lambda: Information(3),
    }[name]()


def see(meter: Any, rows: slice) -> Any:
    part = {key: value[rows] for key, value in data().items()}
    codes, truth = Codes(part["codes"], F), Codes(part["truth"], A)
    if isinstance(meter, Quality):
        meter.update(Step(part["x"], part["x"], codes, part["recon"], part["recon"], weight=part["weight"]))
    elif isinstance(meter, Information):
        meter.update(codes, part["labels"], part["weight"])
    else:
        meter.update(truth, codes, part["weight"])
    return meter


NAMES = ["quality", "supports", "absorption", "information"]


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=15)
@given(cuts=st.lists(st.integers(0, N), max_size=4), tree=st.booleans())
def test_any_split_over_shards_gives_the_same(name: str, cuts: list[int], tree: bool) -> None:
    edges = [0, *sorted(cuts), N]
    shards = [see(made(name), slice(a, b)) for a, b in pairwise(edges)]
    if tree:  # the last takes all others, in place of the first
        shards.reverse()
    total = shards[0]
    for other in shards[1:]:
        total.merge(other)
    assert total.result() == pytest.approx(see(made(name), slice(None)).result(), rel=1e-12, abs=1e-12, nan_ok=True)


def _process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    results = {name: over_processes(see(made(name), slice(rank, None, 2))).result() for name in NAMES}
    torch.save(results, f"{folder}/{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


def test_two_processes_have_the_figures_of_one(tmp_path: Path) -> None:
    mp.start_processes(_process, (str(tmp_path),), nprocs=2, start_method="spawn")  # pyright: ignore[reportPrivateImportUsage]
    ranks = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    assert ranks[0] == ranks[1]
    for name in NAMES:
        assert ranks[0][name] == pytest.approx(see(made(name), slice(None)).result(), rel=1e-12, abs=1e-12)


def test_another_model_is_refused() -> None:
    meter = see(made("information"), slice(None))
    with pytest.raises(SparsightError, match="measure one model with one meter"):
        meter.update(Codes(torch.ones(2, F + 1), F + 1), torch.tensor([0, 1]))
    with pytest.raises(SparsightError, match="nothing was measured"):
        made("supports").result()
