import base64
from typing import Any

import numpy as np
import pytest
import torch
from toys import D, F, toy_job, toy_source

from sparsight.atlas import survey
from sparsight.core import SAE, Atlas, Codes, Source
from sparsight.errors import SparsightError
from sparsight.spec import build
from sparsight.views.building import built
from sparsight.views.features import floats
from sparsight.views.playing import Ground, played, sampled, start

EVERY = ("topk", "sigmoid_kl", "abs_topk", "transcoder", "stack", "matching_pursuit", "variational")


def trained(architecture: Any, source: Source | None = None) -> tuple[SAE, Source]:
    job = toy_job(architecture, source, train={"epochs": 4.0})
    job.trainer.fit(job.source)
    return job.sae.eval(), job.source


@pytest.fixture(scope="module")
def topk() -> tuple[SAE, Source]:
    return trained("topk", toy_source(labels=np.arange(512) % 2))


@pytest.fixture(scope="module")
def atlas(topk: tuple[SAE, Source]) -> Atlas:
    return survey(*topk)


def numbers_of(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4")


@pytest.mark.parametrize("architecture", EVERY)
def test_the_edited_output_is_what_is_made_of_the_edited_codes(architecture: str) -> None:
    sae, source = trained(architecture)
    raw = source.gather(torch.tensor([5]))
    codes = sae.transform(raw).dense().detach().clone()
    fired, silent = int(codes[0].abs().argmax()), int(codes[0].abs().argmin())
    found = played(sae, raw[0], {fired: 0.0, silent: 0.7})
    codes[0, fired], codes[0, silent] = 0.0, 0.7
    with torch.no_grad():
        expected = sae.preprocess_targets.inverse(sae.decode(Codes(codes, F), sae.preprocess(raw)))
        torch.testing.assert_close(found.edited[None], expected)
        torch.testing.assert_close(found.recon[None], sae.reconstruct(raw))
    assert not torch.allclose(found.edited, found.recon)


@pytest.mark.parametrize("architecture", EVERY)
def test_without_any_feature_there_is_what_zero_codes_give(architecture: str) -> None:
    sae, source = trained(architecture)
    raw = source.gather(torch.tensor([5]))[0]
    none = played(sae, raw, dict.fromkeys(range(F), 0.0))
    nothing = sae.preprocess_targets.inverse(sae.decode(Codes.none(1, F, raw), sae.preprocess(raw[None])))
    torch.testing.assert_close(none.edited, nothing[0].detach())
    steps = built(sae, raw, F)
    torch.testing.assert_close(steps.sums[0], none.edited)
    torch.testing.assert_close(steps.sums[-1], none.recon)


def test_what_is_listed_are_the_largest_parts_and_what_was_edited(topk: tuple[SAE, Source]) -> None:
    sae, source = topk
    raw = source.gather(torch.tensor([3]))[0]
    codes = sae.transform(raw[None]).dense()[0].detach()
    size = codes * sae.W_dec.detach().norm(dim=1)
    silent = int((codes == 0).nonzero()[0])
    found = played(sae, raw, {silent: 2.0}, most=2)
    assert found.features.tolist() == [*size.topk(2).indices.tolist(), silent]
    assert found.fires == int(codes.count_nonzero())
    torch.testing.assert_close(found.parts, size[found.features])
    assert found.codes.tolist() == [*codes[found.features[:2]].tolist(), 0.0]
    assert found.edited_codes.tolist() == [*codes[found.features[:2]].tolist(), 2.0]
    torch.testing.assert_close(found.rows, sae.filters()["decoder"][found.features])


def test_a_feature_adds_its_row_in_raw_units() -> None:
    sae, source = trained("topk", toy_source())
    raw = source.gather(torch.tensor([3]))[0]
    found = played(sae, raw, {7: 0.0})
    more = played(sae, raw, {7: 1.5})
    torch.testing.assert_close(more.edited - found.edited, 1.5 * sae.filters()["decoder"][7])


def test_the_explained_share_is_beside_the_mean(topk: tuple[SAE, Source]) -> None:
    sae, source = topk
    raw, mean = source.gather(torch.tensor([3]))[0], Ground.of(source).outputs.mean
    found = played(sae, raw, {2: 3.0}, mean=mean)
    power = (raw - mean).square().sum()
    assert found.explained == pytest.approx(1 - float((raw - found.recon).square().sum() / power))
    assert found.edited_explained == pytest.approx(1 - float((raw - found.edited).square().sum() / power))
    assert built(sae, raw, F, mean=mean).explained[-1] == pytest.approx(found.explained)
    assert played(sae, mean, mean=mean).explained is None


def test_what_must_come_out_is_known_of_a_transcoder_only_if_it_is_given() -> None:
    sae, source = trained("transcoder")
    ids, mean = torch.tensor([3]), Ground.of(source).outputs.mean
    raw, targets = source.gather(ids)[0], source.targets(ids)
    assert targets is not None and len(mean) == targets.shape[1] != D
    assert played(sae, raw, mean=mean).explained is None and played(sae, raw).record()["target"] is None
    found = played(sae, raw, mean=mean, target=targets[0])
    power = (targets[0] - mean).square().sum()
    assert found.explained == pytest.approx(1 - float((targets[0] - found.recon).square().sum() / power), abs=1e-5)


def test_what_does_not_fit_is_refused_in_a_sentence(topk: tuple[SAE, Source]) -> None:
    sae, _ = topk
    raw = torch.zeros(D)
    for sample, edits, said in (
        (raw[:5], {}, "a sample has 16 numbers, and here are 5"),
        (raw + torch.nan, {}, "number 1 of the sample is nan: give finite numbers"),
        (raw.index_fill(0, torch.tensor(2), -torch.inf), {}, "number 3 of the sample is -inf"),
        (raw, {F: 1.0}, f"there is no feature {F}: they go from 0 to {F - 1}"),
        (raw, {-1: 1.0}, "there is no feature -1"),
        (raw, {0: float("nan")}, "feature 0 cannot be set to nan"),
        (raw, {0: 3e38, 1: 3e38, 2: 3e38, 3: 3e38}, "not finite: take smaller numbers"),
    ):
        with pytest.raises(SparsightError, match=said):
            played(sae, sample, edits)


def test_a_column_that_is_wrong_is_called_by_its_name() -> None:
    names = [f"column {n}" for n in range(D)]
    sae, _ = trained("topk", toy_source(pictures=False, names=names))
    with pytest.raises(SparsightError, match="column 4 is nan"):
        played(sae, torch.zeros(D).index_fill(0, torch.tensor(4), torch.nan))


def test_a_build_up_adds_one_feature_at_a_time(topk: tuple[SAE, Source]) -> None:
    sae, source = topk
    raw = source.gather(torch.tensor([3]))[0]
    found = built(sae, raw, 2)
    assert found.features.tolist() == played(sae, raw).features[:2].tolist()
    torch.testing.assert_close(found.sums.diff(dim=0), found.added)
    torch.testing.assert_close(found.recon, played(sae, raw).recon)


def test_sampled_features_fire_as_often_as_in_the_data(topk: tuple[SAE, Source], atlas: Atlas) -> None:
    n = 4000
    found = sampled(topk[0], atlas, n, seed=0)
    codes = found.codes.dense()
    rate = torch.from_numpy(np.array(atlas["rate"])).double()
    error = (codes.count_nonzero(0) / n - rate).abs()
    assert (error <= 4.5 * (rate * (1 - rate) / n).sqrt() + 1e-12).all()  # one in 10⁵ is further off
    for feature in range(F):
        there = atlas["random_ids"][feature] >= 0
        fired = codes[:, feature]
        assert set(fired[fired != 0].tolist()) <= set(atlas["random_values"][feature][there].tolist())
    with torch.no_grad():
        expected = topk[0].preprocess.inverse(topk[0].decode(Codes(codes, F)))
    torch.testing.assert_close(found.outputs, expected)


def test_sampled_codes_are_a_function_of_the_seed(topk: tuple[SAE, Source], atlas: Atlas) -> None:
    first, again, other = (sampled(topk[0], atlas, 3, seed).outputs for seed in (1, 1, 2))
    torch.testing.assert_close(first, again)
    assert not torch.allclose(first, other)


def test_samples_of_a_class_have_the_features_of_the_class() -> None:
    x = torch.zeros(512, D)
    x[::2, 0], x[1::2, 1] = torch.rand(256) + 0.5, torch.rand(256) + 0.5
    source = build("source", "arrays", data=x, labels=["even", "odd"] * 256)
    sae, _ = trained({"name": "topk", "k": 1}, source)
    atlas = survey(sae, source)
    for label, there, not_there in (("even", 0, 1), ("odd", 1, 0)):
        outputs = sampled(sae, atlas, 200, 0, label).outputs.mean(0)
        assert outputs[there] > 3 * outputs[not_there].abs()
    with pytest.raises(SparsightError, match="knows no class 'odds'; did you mean 'odd'"):
        sampled(sae, atlas, 1, 0, "odds")


def test_a_way_past_the_codes_cannot_be_drawn() -> None:
    sae, source = trained("skip_transcoder")
    with pytest.raises(SparsightError, match="codes alone do not decide"):
        sampled(sae, survey(sae, source), 1, 0)
    assert played(sae, source.gather(torch.tensor([0]))[0]).recon.shape == (10,)


def test_the_ground_says_what_samples_are_like(topk: tuple[SAE, Source]) -> None:
    _, source = topk
    found, x = Ground.of(source), source.gather(torch.arange(512))
    record = found.inputs.record()
    assert (record["low"], record["high"]) == (float(x.min()), float(x.max()))
    np.testing.assert_array_equal(numbers_of(record["lows"]), x.amin(0))
    np.testing.assert_allclose(numbers_of(record["mean"]), x.mean(0), rtol=1e-5)
    assert found.outputs is found.inputs
    pairs = toy_source(targets=True)
    targets = pairs.targets(torch.arange(512))
    assert targets is not None
    torch.testing.assert_close(Ground.of(pairs).outputs.high, targets.amax(0))
    digits = Ground.of(build("source", "digits"))
    assert (float(digits.inputs.low.min()), float(digits.inputs.high.max()), digits.paper) == (0.0, 1.0, 0.0)
    light = Ground.of(
        build("source", "arrays", data=1 - build("source", "digits").gather(torch.arange(9)), shape=[28, 28])
    )
    assert light.paper == 1.0


def test_records_carry_float32_little_endian(topk: tuple[SAE, Source]) -> None:
    sae, source = topk
    raw = source.gather(torch.tensor([3]))[0]
    record = played(sae, raw, {1: 0.5}).record()
    np.testing.assert_array_equal(numbers_of(record["sample"]), raw)
    np.testing.assert_array_equal(numbers_of(record["edited"]), played(sae, raw, {1: 0.5}).edited)
    levels = np.frombuffer(base64.b64decode(record["rows"]["data"]), np.int8).reshape(-1, D)
    rows = levels / 127 * np.array(record["rows"]["peaks"])[:, None]
    np.testing.assert_allclose(rows, played(sae, raw, {1: 0.5}).rows, atol=max(record["rows"]["peaks"]) / 200)
    assert numbers_of(floats(torch.tensor([1.0, -2.5], dtype=torch.float64))).tolist() == [1.0, -2.5]
    assert len(numbers_of(built(sae, raw, 2).record()["sums"])) == 3 * D


def test_a_playground_begins_with_what_samples_and_codes_are_like(topk: tuple[SAE, Source], atlas: Atlas) -> None:
    sae, source = topk
    record = start(sae, source, Ground.of(source), atlas)
    assert (record["inputs"]["count"], record["features"], record["inputs"]["shape"]) == (D, F, (4, 4))
    assert record["bounds"] == [0.0, None]
    assert record["examples"][:2] == [0, 1] and record["labels"][:2] == ["0", "1"]
    assert record["generates"] is None and record["classes"] == ("0", "1")
    assert "atlas" in start(sae, source, Ground.of(source), None)["generates"]
    skip, pairs = trained("skip_transcoder")
    record = start(skip, pairs, Ground.of(pairs), survey(skip, pairs))
    assert "codes alone do not decide" in record["generates"]
    assert (record["outputs"]["count"], record["outputs"]["shape"]) == (10, None)
