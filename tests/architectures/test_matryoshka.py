import pytest
import torch
from toys import F, mapped, samples, toy_job, toy_source

from sparsight.core import SAE
from sparsight.errors import SparsightError
from sparsight.meters.prefixes import quality_of_prefixes
from sparsight.meters.quality import evaluate
from sparsight.spec import build
from sparsight.terms.nested_error import NestedError, prefix_sizes
from sparsight.terms.squared_error import SquaredError


def written_out(sae: SAE, x: torch.Tensor, target: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    codes = sae.encode(x).dense()
    recons = [codes[:, :m] @ sae.W_dec[:m] + sae.b_dec for m in sizes]
    skip = dict(sae.named_parameters()).get("decoder.skip")
    recons = recons if skip is None else [recon + x @ skip.T for recon in recons]
    return torch.stack([0.5 * (recon - target).square().sum(1) for recon in recons]).mean(0)


@pytest.mark.parametrize("base", [{"name": "topk", "k": 1}, {"name": "topk", "k": 6}, {"name": "relu_l1"}])
def test_the_error_and_its_gradient_are_the_mean_over_prefixes_decoded_each_alone(base: dict[str, object]) -> None:
    sae = toy_job({"name": "matryoshka", "base": base}).sae.double()
    x = samples(30).double()
    term = NestedError(prefixes=[2, 0.25, 13, 1.0])
    ours = term.per_sample(sae.run(x, x), sae)
    plain = written_out(sae, x, x, [2, 6, 13, F])
    torch.testing.assert_close(ours, plain)
    weight = torch.rand(30, dtype=torch.float64)
    parameters = [sae.W_enc, sae.b_enc, sae.W_dec, sae.b_dec]
    for mine, theirs in zip(
        torch.autograd.grad(weight @ ours, parameters), torch.autograd.grad(weight @ plain, parameters), strict=True
    ):
        torch.testing.assert_close(mine, theirs)


def test_it_goes_over_a_skip_transcoder() -> None:
    job = toy_job({"name": "matryoshka", "base": {"name": "skip_transcoder"}}, toy_source(targets=True))
    sae = job.sae.double()
    torch.nn.init.normal_(sae.get_parameter("decoder.skip"))
    x = samples(30).double()
    ours = NestedError(prefixes=[5, F]).per_sample(sae.run(x, mapped(x)), sae)
    torch.testing.assert_close(ours, written_out(sae, x, mapped(x), [5, F]))


def test_one_prefix_is_the_squared_error() -> None:
    sae = toy_job("topk").sae.double()
    x = samples(30).double()
    step = sae.run(x, x)
    torch.testing.assert_close(NestedError(prefixes=[1.0]).per_sample(step, sae), SquaredError().per_sample(step, sae))


def test_its_first_features_do_better_alone_than_those_of_its_base() -> None:
    sizes = prefix_sizes(None, F)
    found = []
    for architecture in ({"name": "topk", "k": 4}, {"name": "matryoshka", "base": {"name": "topk", "k": 4}}):
        job = toy_job(architecture, train={"epochs": 12.0})
        job.trainer.fit(job.source)
        qualities = quality_of_prefixes(job.sae, job.source, sizes)
        found.append([q.result()["explained_variance"] for q in qualities.values()])
        assert found[-1][-1] == pytest.approx(evaluate(job.sae, job.source)["explained_variance"])
        assert qualities[sizes[0]].result()["l0"] <= sizes[0]
    plain, nested = found
    assert nested == sorted(nested)
    assert nested[1] > plain[1] + 0.1 and nested[2] > plain[2] + 0.1


def test_prefixes_are_numbers_or_shares_that_nest() -> None:
    assert prefix_sizes(None, 24) == [2, 3, 6, 12, 24]
    assert prefix_sizes(None, 3) == [1, 2, 3]
    assert prefix_sizes([3, 0.5, 1.0], 24) == [3, 12, 24]
    for wrong in ([12, 6, 24], [6, 6, 24], [6, 12], [0.5, 0.25, 1.0], [6, 25], []):
        with pytest.raises(SparsightError, match="prefixes must rise and end with all 24 features"):
            toy_job({"name": "matryoshka", "prefixes": wrong})
    with pytest.raises(SparsightError, match="sizes must rise"):
        quality_of_prefixes(toy_job("topk").sae, toy_source(), [3, 2])
    with pytest.raises(SparsightError, match="unknown architecture 'tpok'"):
        build("architecture", {"name": "matryoshka", "base": "tpok"})
