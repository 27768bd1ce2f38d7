"""Stacks of trained autoencoders."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toys import F, samples, toy_job

from sparsight import Recipe, Run, resume, stack, train
from sparsight.core import SAE, Codes, Source
from sparsight.errors import SparsightError
from sparsight.job import prepare
from sparsight.meters.quality import evaluate
from sparsight.spec import build
from sparsight.stacks import stacked

TRAIN = {"epochs": 2.0, "batch_size": 64, "lr": 1e-2, "hold_out": 0.2}


def trained(folder: Path, name: str, source: dict[str, Any], architecture: Any, n: int, **recipe: Any) -> Run:
    asked = {"source": source, "architecture": architecture, "n_latents": n, "train": TRAIN, **recipe}
    return train(Recipe.parse(asked), folder / name)


def two(folder: Path, first: Any, second: Any, **of_second: Any) -> tuple[Run, Run]:
    """Runs on the toys: 16 inputs, 24 features, 10 features of those."""
    np.save(folder / "rows.npy", samples().numpy())
    scale = [] if build("architecture", first).output == "sigmoid" else ["scale"]
    rows = {"name": "arrays", "path": str(folder / "rows.npy"), "shape": [4, 4]}
    below = trained(folder, "first", rows, first, F, preprocess=scale)
    return below, trained(folder, "second", {"name": "codes", "run": str(below.path)}, second, 10, **of_second)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    return two(tmp_path_factory.mktemp("stack"), "relu_l1", {"name": "topk", "k": 4}, preprocess=["standardise"])


@torch.no_grad()
def by_hand(first: SAE, second: SAE, raw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes of codes, and the samples that are rebuilt from rebuilt codes."""
    codes = first.transform(raw).dense()
    again = Codes(second.reconstruct(codes), first.n_latents)
    return second.transform(codes).dense(), first.preprocess.inverse(first.decode(again))


@pytest.mark.parametrize(
    ("first", "second", "more"),
    [
        ("sigmoid_kl", "sigmoid_kl", {}),
        ("relu_l1", "topk", {"preprocess": ["standardise"]}),
        ("topk", "matching_pursuit", {"preprocess": ["scale"]}),
        ("gated", "jumprelu", {}),
        ("jumprelu", "batch_topk", {}),
    ],
)
def test_before_fine_tuning_it_is_the_chain(tmp_path: Path, first: str, second: str, more: dict[str, Any]) -> None:
    below, above = two(tmp_path, first, second, **more)
    same(prepare(Recipe.parse(stacked([below, above]))).sae, *by_hand(below.sae(), above.sae(), samples()))


@torch.no_grad()
def same(whole: SAE, codes: torch.Tensor, recon: torch.Tensor) -> None:
    whole.eval()
    torch.testing.assert_close(whole.transform(samples()).dense(), codes, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(whole.reconstruct(samples()), recon, rtol=1e-6, atol=1e-6)


def test_filters_are_the_chain_of_filters_in_the_units_of_the_data(runs: tuple[Run, Run]) -> None:
    whole = prepare(Recipe.parse(stacked(runs))).sae
    first, second = (run.sae().filters() for run in runs)
    for of in ("encoder", "decoder"):
        torch.testing.assert_close(whole.filters()[of], second[of] @ first[of], rtol=1e-4, atol=1e-5)


def test_three_layers_chain(runs: tuple[Run, Run], tmp_path: Path) -> None:
    third = trained(tmp_path, "third", {"name": "codes", "run": str(runs[1].path)}, {"name": "topk", "k": 2}, 6)
    first, second = (run.sae() for run in runs)
    deepest, again = by_hand(second, third.sae(), first.transform(samples()).dense())
    recon = first.preprocess.inverse(first.decode(Codes(again, F)))
    same(prepare(Recipe.parse(stacked([*runs, third]))).sae, deepest, recon)


def test_each_layer_keeps_its_terms_and_constraints(tmp_path: Path) -> None:
    kept = {"terms": {"l1.decoder": {"weight": 0.1, "of": "decoder"}}}
    below, above = two(tmp_path, "sigmoid_kl", "relu_l1", **kept)
    job = prepare(Recipe.parse(stacked([below, above])))
    assert set(job.trainer.objective.terms) == {
        "squared_error", "kl.1", "l2.1", "codes_l1.2", "auxk.2", "nudge.2", "l1.decoder.2"
    }  # fmt: skip
    step = job.sae.run(samples(), samples())
    layers, codes = job.sae.layers, job.sae.layers[0].encode(samples())
    kl, l1 = (job.trainer.objective.terms[name] for name in ("kl.1", "codes_l1.2"))
    mean = codes.dense().mean(0)
    expected = (0.1 * (0.1 / mean).log() + 0.9 * (0.9 / (1 - mean)).log()).sum()
    torch.testing.assert_close(kl.value(kl.statistic(step, job.sae), job.sae), expected)  # type: ignore[attr-defined]
    sizes = layers[1].encode(codes.dense()).dense() @ layers[1].W_dec.norm(dim=1)
    torch.testing.assert_close(l1.per_sample(step, job.sae), sizes)  # type: ignore[attr-defined]
    for batch, _ in zip(job.source.batches(64, 0), range(5), strict=False):
        job.trainer.step(batch)
    torch.testing.assert_close(layers[1].W_dec.norm(dim=1), torch.ones(10))


def test_fine_tuning_lowers_the_error_on_held_out_digits(tmp_path: Path) -> None:
    def digits(source: dict[str, Any], name: str, n: int, k: int) -> Run:
        asked = {
            "source": source,
            "architecture": {"name": "topk", "k": k},
            "n_latents": n,
            "preprocess": ["scale"],
            "train": {"epochs": 1.0},
        }
        return train(Recipe.parse(asked), tmp_path / name)

    first = digits({"name": "digits"}, "first", 64, 12)
    second = digits({"name": "codes", "run": str(first.path)}, "second", 16, 6)
    before = prepare(Recipe.parse(stacked([first, second])))
    assert before.held_out is not None
    chained = evaluate(before.sae, before.held_out)["error"]
    run = stack([first, second], tmp_path / "stack", changes=["train.epochs=1"])
    assert run.summary is not None
    assert run.summary["quality"]["error"] < 0.95 * chained
    assert (run.recipe["n_latents"], run.recipe["train"]["epochs"]) == (16, 1.0)
    assert run.sae().transform(torch.rand(3, 784)).dense().shape == (3, 16)


def test_it_resumes_with_the_same_bits_and_is_loaded_as_it_was_saved(
    runs: tuple[Run, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = ["train.epochs=4", "train.checkpoint_every=5"]
    whole = stack(runs, tmp_path / "whole", changes=changes)

    class KilledError(Exception): ...

    class Kill:
        def on_log(self, logged: Any) -> None: ...
        def on_checkpoint(self, step: int) -> None:
            if step == 10:
                raise KilledError

        def on_end(self, reason: str) -> None: ...

    with pytest.raises(KilledError):
        stack(runs, tmp_path / "killed", changes=changes, observers=[Kill()])
    again = resume(tmp_path / "killed")
    assert again.summary is not None and whole.summary is not None
    assert again.summary["weights"] == whole.summary["weights"]
    # a file that stands alone: it needs no run
    (alone := tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(alone)
    (alone / "model.safetensors").write_bytes((whole.path / "model.safetensors").read_bytes())
    loaded = SAE.load("model.safetensors")
    assert loaded.described() == whole.sae().described()
    assert torch.equal(loaded.reconstruct(samples()), whole.sae().reconstruct(samples()))


def test_runs_that_cannot_be_stacked_are_one_sentence(runs: tuple[Run, Run], tmp_path: Path) -> None:
    first, second = runs
    with pytest.raises(SparsightError, match="a stack has two runs or more, and 1 is given"):
        stacked([first])
    with pytest.raises(SparsightError, match="there is no folder 'nowhere'"):
        stacked([first, "nowhere"])
    with pytest.raises(SparsightError, match=r"'.*first' was not trained on the codes of '.*second': `sparsight train"):
        stacked([second, first])
    begun = Run.create(tmp_path / "begun", second.recipe, second.manifest)
    with pytest.raises(SparsightError, match="the run 'begun' has not ended"):
        stacked([first, begun])
    in_memory = train(
        Recipe.parse({"architecture": "topk", "n_latents": 4, "train": {"epochs": 0.5}}),
        tmp_path / "memory",
        build("source", "arrays", data=samples()[:, :7]),
    )
    with pytest.raises(SparsightError, match=r"has 7 inputs and '.*first' 24 features: these do not chain"):
        stacked([first, in_memory])
    recipe = stacked(runs)
    other: Source = build("source", "arrays", data=3 * samples())
    with pytest.raises(SparsightError, match=r"these are not the data that '.*first' was trained on"):
        prepare(Recipe.parse(recipe), other)
    with pytest.raises(SparsightError, match="layerwise has 1 runs and the model 2 layers"):
        prepare(Recipe.parse({**recipe, "initialisation": {"name": "layerwise", "runs": [str(first.path)]}}))
    swapped = [str(second.path), str(first.path)]
    with pytest.raises(SparsightError, match=r"the weights of '.*second' do not fit layer 1"):
        prepare(Recipe.parse({**recipe, "initialisation": {"name": "layerwise", "runs": swapped}}))
    with pytest.raises(SparsightError, match="the last layer of the stack has 10 features, and n_latents is 11"):
        prepare(Recipe.parse({**recipe, "n_latents": 11}))


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("variational", "topk", "variational cannot be the layer '1' of a stack: its encoder or decoder is not linear"),
        ("topk", "transcoder", "transcoder cannot be the layer '2' of a stack: its targets are not its inputs"),
        ("topk", "matryoshka", "matryoshka cannot be the layer '2' of a stack: its error looks at parts of the codes"),
        ("batch_topk", "topk", "the layer '1' cannot be below another: in training the codes of batch_topk depend on"),
    ],
)
def test_layers_that_cannot_be_stacked_are_one_sentence(first: str, second: str, said: str) -> None:
    with pytest.raises(SparsightError, match=said):
        toy_job({"name": "stack", "layers": {"1": {"architecture": first}, "2": {"architecture": second}}})


def test_the_preprocessing_of_the_first_layer_is_the_recipes() -> None:
    layers = {"1": {"architecture": "topk", "preprocess": ["scale"]}, "2": {"architecture": "topk"}}
    with pytest.raises(SparsightError, match="the layer '1' is the first: its preprocess and output are the recipe's"):
        toy_job({"name": "stack", "layers": layers})
