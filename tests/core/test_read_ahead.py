"""Batches that are read ahead are the same, bounded, and leave no thread behind."""

import gc
import signal
import threading
import time
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from toys import N, toy_job, toy_source

from sparsight.core import Logged, Source
from sparsight.core.ahead import read_ahead
from sparsight.core.records import Batch
from sparsight.core.source import AHEAD, RUNS
from sparsight.job import digest
from sparsight.spec import build


class Counted(Source):
    """Samples that are their numbers; it counts how many times they were read, and fails where it is told to."""

    stored = True

    def __init__(self, fails: int | None = None) -> None:
        self.schema = toy_source().schema
        self.reads: list[Tensor] = []
        self.fails = fails

    def __len__(self) -> int:
        return N

    def gather(self, ids: Tensor) -> Tensor:
        if len(self.reads) == self.fails:
            raise OSError("the disk is gone")
        self.reads.append(ids)
        return ids[:, None].float().expand(-1, self.schema.n_inputs)

    def take(self, ids: Tensor) -> Source:
        raise NotImplementedError

    def fingerprint(self) -> str:
        return ""


def threads() -> int:
    return sum(thread.name.startswith("sparsight") for thread in threading.enumerate())


def settled(reads: list[Tensor]) -> int:
    """How many reads there are when no more come."""
    before = -1
    while before != len(reads):
        before = len(reads)
        time.sleep(0.05)
    return before


def test_they_are_the_same_batches_in_the_same_order() -> None:
    source, plain = Counted(), Counted()
    plain.stored = False
    ahead, none = source.batches(8, 0, 3), plain.batches(8, 0, 3)
    for _ in range(100):
        one, other = next(ahead), next(none)
        assert torch.equal(one.ids, other.ids) and one.step == other.step
        assert torch.equal(one.inputs, other.inputs)
    ahead.close()


def test_each_is_read_once_and_only_a_few_are_read_ahead() -> None:
    source = Counted()
    batches = source.batches(8, 0)
    batch = next(batches)
    assert len(batch.part(slice(0, 4)).inputs) == 4
    assert settled(source.reads) <= AHEAD + 2, "those that wait, the one that is handed over, and the one in use"
    assert torch.equal(batch.part(slice(4, 8)).inputs, batch.inputs[4:])
    batches.close()


def test_a_thread_ends_with_its_iterator() -> None:
    for end in ("close", "forget", "raise"):
        batches: Iterator[Batch] | None = Counted(fails=2 if end == "raise" else None).batches(8, 0)
        assert batches is not None
        next(batches)
        if end != "raise":  # there it may have ended already
            assert threads() == 1
        if end == "close":
            batches.close()  # type: ignore[attr-defined]
        elif end == "raise":
            with pytest.raises(OSError, match="the disk is gone"):
                list(batches)
        batches = None
        gc.collect()
        assert threads() == 0, end


def test_an_iterator_that_was_never_begun_has_no_thread() -> None:
    batches = Counted().batches(8, 0)
    assert threads() == 0
    batches.close()


def test_an_error_comes_at_its_batch() -> None:
    batches = Counted(fails=2).batches(8, 0)
    assert [next(batches).step for _ in range(2)] == [0, 1]
    with pytest.raises(OSError, match="the disk is gone"):
        next(batches)


def test_an_order_that_ends_ends() -> None:
    source = Counted()
    given = [Batch(source, torch.tensor([n]), torch.tensor([0]), 1, n) for n in range(5)]
    assert [batch.step for batch in read_ahead(iter(given), 2)] == list(range(5))
    assert threads() == 0


def test_batches_that_would_fill_memory_are_not_read_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparsight.core.source.AHEAD_VALUES", 8 * 16 - 1)
    source = Counted()
    batch = next(source.batches(8, 0))
    assert batch.kept is None and not source.reads and threads() == 0


def test_what_was_read_for_two_steps_is_handed_to_both_targets_included() -> None:
    source = toy_source(targets=True)
    source.stored = True
    batches = source.batches(64, 0)
    batch = next(batches)
    targets = source.targets(batch.ids)
    assert targets is not None and batch.targets is not None
    part = batch.part(slice(8, 24))
    assert part.targets is not None
    assert torch.equal(part.targets, targets[8:24])
    assert part.targets.data_ptr() == batch.targets[8:].data_ptr(), "no second copy was read"
    batches.close()


@pytest.mark.parametrize("micro", [None, 24])
@pytest.mark.parametrize("corruption", [None, "gaussian"])
def test_a_training_has_the_bits_that_it_has_without(micro: int | None, corruption: str | None) -> None:
    digests = []
    for stored in (False, True):
        source = toy_source()
        source.stored = stored
        train = {"epochs": 3.0, "micro_batch_size": micro, "hold_out": 0.1}
        job = toy_job("topk", source, preprocess=["standardise"], corruption=corruption, train=train)
        assert job.trainer.fit(job.source, held_out=job.held_out) == "finished"
        digests.append(digest(job.sae))
    assert digests[0] == digests[1]
    assert threads() == 0


class Stops:
    """Presses Ctrl-C at the first log line."""

    def on_log(self, logged: Logged) -> None:
        signal.raise_signal(signal.SIGINT)

    def on_checkpoint(self, step: int) -> None: ...

    def on_end(self, reason: str) -> None: ...


def test_ctrl_c_ends_a_training_and_its_thread() -> None:
    source = toy_source()
    source.stored = True
    job = toy_job("topk", source)
    assert job.trainer.fit(job.source, observers=[Stops()]) == "interrupted"
    assert job.trainer.number == 10
    assert threads() == 0


def test_a_glance_is_all_or_an_even_spread_of_what_is_stored() -> None:
    source = build("source", "arrays", data=torch.arange(100_000.0)[:, None])
    assert source.glance() is source
    source.stored = True
    assert source.glance(100_000) is source
    numbers = source.glance(8 * RUNS).gather(torch.arange(8 * RUNS))[:, 0].long()
    assert len(numbers) == 8 * RUNS
    assert numbers[0] == 0 and numbers[-1] == 99_999
    assert int(numbers.diff().min()) == 1
    counts = torch.histc(numbers.float(), 10)
    assert float(counts.max() - counts.min()) <= 16, "as many from every tenth, to a run"
