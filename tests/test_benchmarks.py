"""The benchmark compares like with like."""

import pytest
import torch
from speed import ratio, rounds_of
from systems.plain import Plain
from tasks import L1, Task
from toys import samples, toy_job

X = samples(64)


@pytest.mark.parametrize("k", [None, 3])
def test_plain_pytorch_has_our_objective(k: int | None) -> None:
    architecture = {"name": "relu_l1", "l1": L1} if k is None else {"name": "topk", "k": k}
    job = toy_job({**architecture, "unit_rows": False, "auxk": 0.0}, open_ended=True)
    sae, trainer = job.sae, job.trainer
    plain = Plain(Task("toy", sae.n_latents, len(X), X, k))
    with torch.no_grad():
        for ours, theirs in (
            (sae.W_enc, plain.encoder.weight),
            (sae.b_enc, plain.encoder.bias),
            (sae.W_dec.T, plain.decoder.weight),
            (sae.b_dec, plain.decoder.bias),
        ):
            ours.add_(0.1 * torch.rand_like(ours))
            theirs.copy_(ours)
    batch = next(job.source.batches(64, 0))
    loss = plain.loss(batch.inputs)
    loss.backward()
    trainer.step(batch, measure=True)
    line = trainer.logged(0.0, {})
    assert line.loss == pytest.approx(loss.item(), rel=1e-5)
    gradients = {"W_enc": plain.encoder.weight, "b_enc": plain.encoder.bias, "b_dec": plain.decoder.bias}
    for name, theirs in gradients.items():
        torch.testing.assert_close(getattr(sae, name).grad, theirs.grad)
    assert plain.decoder.weight.grad is not None
    torch.testing.assert_close(sae.W_dec.grad, plain.decoder.weight.grad.T)


def test_every_system_takes_its_turn_in_every_round_and_ratios_are_within_rounds() -> None:
    calls: list[str] = []
    took = rounds_of({name: lambda steps, name=name: calls.append(name) for name in "abc"}, 9, 0.0)
    assert calls[:6] == [*"aabbcc"]  # a step to warm up, and one to time
    turns = [calls[at : at + 6] for at in range(6, len(calls), 6)]
    assert len(turns) == 9
    assert all(sorted(turn) == [*"aabbcc"] and turn[::2] == turn[1::2] for turn in turns)  # each warms up again
    assert len({tuple(turn) for turn in turns}) > 2
    assert {name: len(times) for name, times in took.items()} == {"a": 9, "b": 9, "c": 9}
    assert ratio([2.0, 6.0, 3.0], [1.0, 2.0, 3.0]) == (2.0, 1.0, 3.0)
