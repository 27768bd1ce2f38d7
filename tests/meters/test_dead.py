import torch
from toys import F, samples, toy_job

from sparsight.atlas import survey
from sparsight.meters.dead import CAUSES, causes


def test_the_cause_of_death_is_the_first_that_holds() -> None:
    fires = torch.tensor([True, False, False, False, False])
    positive = torch.tensor([False, False, True, True, False])
    rows = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.2], [1.0, 0.4]])
    found = causes(fires, positive, rows)
    named = [CAUSES[number] for number in found]
    assert named == ["alive", "bias too negative", "never among the k", "duplicate", "bias too negative"]


def test_where_nothing_lives_there_are_no_duplicates() -> None:
    assert causes(torch.zeros(2, dtype=torch.bool), torch.tensor([True, False]), torch.ones(2, 3)).tolist() == [2, 1]


def test_the_atlas_keeps_the_cause_for_every_dead_feature() -> None:
    job = toy_job({"name": "topk", "k": 2}, train={"epochs": 5.0})
    job.trainer.fit(job.source)
    sae, x = job.sae, samples()
    alive = int((sae.encode(x).dense() > 0).sum(0).argmax())
    lost, beaten, twin = [j for j in range(F) if j != alive][:3]
    with torch.no_grad():
        sae.b_enc[[lost, twin]] = -1e3
        sae.W_dec[twin] = sae.W_dec[alive] + 1e-3
        sae.W_dec[lost], sae.W_dec[beaten] = -sae.W_dec[alive], -sae.W_dec[alive]
        sae.W_enc[beaten], sae.b_enc[beaten] = 0.0, 1e-9
    found = survey(sae, job.source, fits=0)["death"]
    fires = (sae.encode(x).dense() > 0).any(0)
    assert [CAUSES[found[j]] for j in (alive, lost, twin)] == ["alive", "bias too negative", "duplicate"]
    assert CAUSES[found[beaten]] == "never among the k"
    assert ((found == 0) == fires.numpy()).all()
