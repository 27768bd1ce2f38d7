"""Dead features come back, in every architecture that has terms for it."""

from typing import Any

import pytest
import torch
from toys import F, samples, toy_job

from sparsight.core import SAE
from sparsight.spec import build, names

REVIVAL = {"auxk", "nudge", "preactivation"}
REVIVED: list[Any] = [
    *(
        {"name": name}
        for name in names("architecture")
        if {"nudge", "preactivation"} & {term.split(".")[0] for term in build("architecture", name).terms}
    ),
    {"name": "jumprelu", "penalty": "tanh"},
]


@pytest.mark.parametrize("architecture", REVIVED, ids=lambda a: "-".join(a.values()))
def test_half_of_the_features_come_back_from_far_below(architecture: dict[str, Any]) -> None:
    """A deficit of 5 at a learning rate of .02 takes 250 steps of Adam; 350 are given."""

    def fire(revive: bool, steps: int) -> int:
        job = toy_job(architecture, train={"epochs": 50.0, "dead_after": 128, "lr": 2e-2, "decay": 0.0})
        if not revive:
            job.trainer.objective.terms = {
                name: term for name, term in job.trainer.objective.terms.items() if name.split(".")[0] not in REVIVAL
            }
        with torch.no_grad():
            if job.sae.activation.bounds[0] < 0:  # codes of both signs are far below others where they are small
                job.sae.W_enc[: F // 2] = 0.0
            else:
                job.sae.b_enc[: F // 2] = -5.0
        batches = job.source.batches(64, 0)
        fired = torch.zeros(F, dtype=torch.bool)
        for _ in range(steps):
            job.trainer.step(next(batches))
            fired |= job.trainer.idle == 0
        assert torch.isfinite(job.sae(samples())).all()
        return int(fired[: F // 2].sum())

    assert fire(revive=False, steps=100) == 0
    assert fire(revive=True, steps=350) >= 0.9 * (F // 2)


@pytest.mark.parametrize("name", ["nudge", "preactivation"])
@pytest.mark.parametrize("architecture", ["topk", "batch_topk", "abs_topk", "group_max"])
def test_what_lifts_the_dead_leaves_the_living_alone(name: str, architecture: str) -> None:
    """What a dead feature must exceed is a code of a living one, which is no reason to lower that."""
    job = toy_job(architecture)
    sae: SAE = job.sae.train()
    dead = torch.arange(F) < F // 2
    with torch.no_grad():
        sae.W_enc[dead], sae.b_enc[dead] = 0.0, -0.1
    term = build("term", name)
    term.check(sae, job.trainer.facts)
    x = samples()
    step = sae.run(x, x, needs=term.needs, dead=dead)
    value = term.value(term.statistic(step, sae), sae) if name == "nudge" else term.per_sample(step, sae).mean()
    gradient = torch.autograd.grad(value, [sae.b_enc, sae.W_enc], allow_unused=True)
    assert (gradient[0][dead] < 0).all()
    for found in gradient:
        assert found is None or not found[~dead].any()
