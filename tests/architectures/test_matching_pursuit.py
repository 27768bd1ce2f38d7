import pytest
import torch
from torch import Tensor
from toys import samples, toy_job

from sparsight.activations import pursuit
from sparsight.core import SAE
from sparsight.errors import SparsightError
from sparsight.meters.quality import evaluate
from sparsight.spec import build


def plain(x: Tensor, rows: Tensor, k: int) -> Tensor:
    """Matching pursuit as it is written down, on the residual itself, [B, F]."""
    codes = []
    for left in x:
        code = [left.new_zeros(()) for _ in rows]
        for _ in range(k):
            products = rows @ left
            j = int(products.argmax())
            if products[j] <= 0:
                break
            code[j] = code[j] + products[j]
            left = left - products[j] * rows[j]
        codes.append(torch.stack(code))
    return torch.stack(codes)


def model(k: int) -> SAE:
    sae = toy_job({"name": "matching_pursuit", "k": k}).sae.double()
    dice = torch.Generator().manual_seed(0)
    rows = torch.randn(sae.W_dec.shape, generator=dice, dtype=torch.float64)
    sae.W_dec.data.copy_(torch.nn.functional.normalize(rows, dim=1))
    return sae


@pytest.mark.parametrize("gram", [0, 8192])
@pytest.mark.parametrize("k", [1, 3, 20])
def test_codes_and_gradients_are_those_of_the_residual(k: int, gram: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pursuit, "GRAM", gram)
    sae = model(k)
    x = samples(25).double()
    sae.b_dec.data.zero_()
    x[4] = 0  # nothing to explain
    mine, written = sae.encode(x), plain(x - sae.b_dec, sae.W_dec, k)
    torch.testing.assert_close(mine.dense(), written)
    assert mine.l0()[4] == 0
    weight = torch.rand(written.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    parameters = [sae.W_dec, sae.b_dec]
    for ours, theirs in zip(
        torch.autograd.grad((mine.dense() * weight).sum(), parameters),
        torch.autograd.grad((written * weight).sum(), parameters),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


def test_a_feature_that_is_picked_twice_is_there_once_with_the_sum() -> None:
    sae = model(20)
    codes = sae.encode(samples(25).double())
    _, index, offsets = codes.sparse()
    assert offsets.diff().max() < 20  # some step picked what an earlier one had
    for low, high in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        assert index[low:high].unique().numel() == high - low


def test_with_orthogonal_rows_it_is_topk() -> None:
    sae = toy_job({"name": "matching_pursuit", "k": 4}, n_latents=16).sae.double()
    sae.W_dec.data.copy_(torch.eye(16))
    x = samples(25).double()
    pre = sae.pre(x).relu()
    kept = pre.topk(4, dim=1)
    torch.testing.assert_close(sae.encode(x).dense(), torch.zeros_like(pre).scatter(1, kept.indices, kept.values))


def test_it_has_no_bias_to_learn_and_explains_more_than_topk_with_as_many_codes() -> None:
    found = {}
    for name in ("matching_pursuit", "topk"):
        job = toy_job({"name": name, "k": 2}, train={"epochs": 15.0})
        job.trainer.fit(job.source)
        found[name] = evaluate(job.sae, job.source)["explained_variance"]
        assert ("encoder.bias" in dict(job.sae.named_parameters())) == (name == "topk")
        assert name == "topk" or not job.sae.b_enc.any()
    assert found["matching_pursuit"] > found["topk"]


@pytest.mark.parametrize("many", [True, False])
def test_it_stops_at_a_tolerance_and_at_a_feature_that_it_has(many: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, x = model(20), samples(25).double()
    spec = {"name": "matching_pursuit", "k": 20}
    rough, once = (toy_job({**spec, **stop}).sae.double() for stop in ({"tolerance": 0.2}, {"repeat": False}))
    for other in (rough, once):
        other.load_state_dict(whole.state_dict())
    if many:  # as where k is so large that codes are added up on the way
        monkeypatch.setattr(pursuit, "GRAM", 0)
    with torch.no_grad():
        left = {name: (x - sae(x)).norm(dim=1) for name, sae in (("whole", whole), ("rough", rough))}
        torch.testing.assert_close(left["rough"].clamp_min(0.2), left["whole"].clamp_min(0.2))  # below it, it is enough
        assert (left["rough"] - left["whole"]).min() > -1e-12
        assert rough.encode(x).l0().sum() < once.encode(x).l0().sum() <= whole.encode(x).l0().sum()
        longer = toy_job({**spec, "repeat": False, "k": 21}).sae.double()
        longer.load_state_dict(whole.state_dict())
        torch.testing.assert_close(longer.encode(x).dense(), once.encode(x).dense())


def test_a_stack_cannot_stop_at_a_tolerance() -> None:
    layers = {"1": {"architecture": "topk"}, "2": {"architecture": {"name": "matching_pursuit", "tolerance": 0.1}}}
    sae = toy_job("topk").sae
    stacked = SAE(sae.schema, sae.n_latents, build("architecture", {"name": "stack", "layers": layers}))
    with pytest.raises(SparsightError, match="in a stack a matching pursuit cannot stop at a tolerance"):
        stacked.encode(samples(5))
