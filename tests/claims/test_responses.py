"""What a feature does when it is put into samples and taken out of them."""

import torch
from toys import F, samples, toy_job

from sparsight.claims.causality import responses, threshold
from sparsight.spec import build

SOURCE = build("source", "arrays", data=samples(256))


def test_features_that_were_learned_act_and_random_directions_hardly_do() -> None:
    job = toy_job({"name": "topk", "k": 3})
    job.trainer.fit(job.source)
    response, null = responses(job.sae, SOURCE)
    fires = (job.sae.transform(samples(256)).dense() != 0).any(0)
    assert torch.equal(response.isnan(), ~fires)
    assert response[fires].median() > 0.5
    assert null[fires].abs().mean() < 0.25
    assert (response[fires] > threshold(null)).double().mean() > 0.8


def test_rows_that_do_not_belong_to_their_filters_do_not_act() -> None:
    job = toy_job({"name": "topk", "k": 3})
    job.trainer.fit(job.source)
    before, _ = responses(job.sae, SOURCE)
    with torch.no_grad():
        job.sae.W_dec.copy_(job.sae.W_dec[torch.arange(F).roll(1)])
    after, null = responses(job.sae, SOURCE)
    known = ~before.isnan()
    assert after[known].median() < 0.3 * before[known].median()
    assert (after[known] > threshold(null)).double().mean() < 0.5


def test_responses_are_the_same_each_time_and_leave_the_model_as_it_was() -> None:
    job = toy_job("sigmoid_kl")
    before = [parameter.clone() for parameter in job.sae.parameters()]
    first, second = responses(job.sae, SOURCE), responses(job.sae, SOURCE)
    for one, two in zip(first, second, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0, equal_nan=True)
    assert all(torch.equal(a, b) for a, b in zip(before, job.sae.parameters(), strict=True))
