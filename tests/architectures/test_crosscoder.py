import pytest
import torch
from toys import samples, toy_job, toy_source

from sparsight.atlas import survey
from sparsight.core import SAE, Schema, Source
from sparsight.errors import SparsightError
from sparsight.meters.quality import evaluate
from sparsight.meters.sites import explained_by_site
from sparsight.spec import build
from sparsight.terms.codes_l1 import CodesL1
from sparsight.terms.sites_l1 import SitesL1


def two(n: int = 1_200) -> Source:
    """A site of 10 inputs, and one of 6 in a unit fifty times as large: 8 atoms at the first alone, 8 at the second."""
    dice = torch.Generator().manual_seed(0)
    atoms = [torch.nn.functional.normalize(torch.randn(16, width, generator=dice), dim=1) for width in (10, 6)]
    atoms[0][8:], atoms[1][:8] = 0, 0
    codes = torch.empty(n, 16).exponential_(generator=dice) * (torch.rand(n, 16, generator=dice) < 1 / 8)
    return build("source", "sites", data={"small": codes @ atoms[0], "large": 50 * codes @ atoms[1]})


def filled(widths: dict[str, int]) -> SAE:
    sae = SAE(Schema(n_inputs=sum(widths.values()), sites=widths), 5, build("architecture", "crosscoder")).double()
    for parameter in sae.parameters():
        parameter.data = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return sae


def test_the_penalty_is_a_sum_of_norms_over_sites() -> None:
    x = samples(9).double()
    sae = filled({"a": 7, "b": 9})
    step = sae.run(x, x)
    norms = sae.W_dec[:, :7].norm(dim=1) + sae.W_dec[:, 7:].norm(dim=1)
    torch.testing.assert_close(SitesL1().per_sample(step, sae), step.codes.dense() @ norms)
    one = filled({"a": 16})
    step = one.run(x, x)
    torch.testing.assert_close(SitesL1().per_sample(step, one), CodesL1().per_sample(step, one))


def learned(architecture: dict[str, object], preprocess: str) -> tuple[dict[str, float], float]:
    """What is explained at each site, and how much of a feature is at its main site, in the median."""
    train = {"epochs": 8.0, "batch_size": 64, "lr": 3e-3}
    job = toy_job(architecture, two(), preprocess=[preprocess], n_latents=32, train=train)
    job.trainer.fit(job.source)
    norms = torch.stack([rows.norm(dim=1) for rows in job.sae.schema.at_sites(job.sae.W_dec.detach()).values()], 1)
    share = norms.amax(1) / norms.sum(1)
    return explained_by_site(job.sae, job.source), float(share[norms.sum(1) > 0.1].median())


def test_in_one_unit_both_sites_are_explained_and_the_sum_of_norms_keeps_features_to_their_own() -> None:
    found, own = learned({"name": "crosscoder", "l1": 1.0}, "scale_sites")
    assert min(found.values()) > 0.7
    _, without = learned({"name": "relu_l1", "l1": 1.0, "unit_rows": False}, "scale_sites")
    assert own > without + 0.03
    joint, _ = learned({"name": "crosscoder", "l1": 1.0}, "scale")
    assert joint["small"] < found["small"] - 0.2


def test_the_atlas_has_the_length_of_each_filter_at_each_site() -> None:
    job = toy_job("crosscoder", two(100))
    columns = survey(job.sae, job.source)
    for of, weights in job.sae.filters().items():
        both = columns[f"{of}.site_norms"]
        assert both.shape == (24, 2)
        torch.testing.assert_close(torch.tensor(both[:, 1]), weights[:, 10:].norm(dim=1))


def test_one_site_is_explained_as_a_whole() -> None:
    job = toy_job({"name": "crosscoder", "k": 3})
    whole = evaluate(job.sae, job.source)["explained_variance"]
    assert explained_by_site(job.sae, job.source)["all"] == pytest.approx(whole)


def test_each_site_gets_one_number() -> None:
    source = two()
    part = build("preprocess", "scale_sites")
    part.setup(16)
    part.fit(lambda: iter([source.gather(torch.arange(1_200))]), source.schema)
    x = part(source.gather(torch.arange(1_200)))
    for site in source.schema.at_sites(x).values():
        torch.testing.assert_close(site.var(0, correction=0).mean(), torch.tensor(1.0))
    assert part.spread.unique().numel() == 2


def test_sites_that_do_not_belong_together_are_refused() -> None:
    x = samples(20)
    with pytest.raises(SparsightError, match="the site 'b' has 19 samples and 'a' has 20"):
        build("source", "sites", data={"a": x, "b": x[1:]})
    with pytest.raises(SparsightError, match="give one of the two"):
        build("source", "sites")
    with pytest.raises(SparsightError, match="needs at least one array"):
        build("source", "sites", data={})
    with pytest.raises(SparsightError, match="do not make a sample of 16 inputs"):
        Schema(n_inputs=16, sites={"a": 7})


def test_sites_of_other_sources_have_their_labels_and_test_part() -> None:
    source = build("source", {"name": "sites", "sites": {"one": {"name": "digits"}, "two": {"name": "digits"}}})
    digits = build("source", "digits")
    test = source.test_part()
    assert test is not None and len(test) == len(digits.test_part())
    assert torch.equal(source.labels(), digits.labels()) and source.schema.classes == digits.schema.classes
    assert toy_source().schema.sites is None
