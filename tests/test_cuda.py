"""On a graphics card everything comes out as it does on the CPU. Without one these tests are skipped."""

from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from toys import toy_source

from sparsight.atlas import survey
from sparsight.core import Observer
from sparsight.estimator import SparseAutoencoder
from sparsight.job import Recipe, digest, prepare, resume, train
from sparsight.models.harvest import harvest
from sparsight.models.host import open_host
from sparsight.models.reading import Reading
from sparsight.models.splice import splice
from sparsight.shards import Shards, open_folder
from sparsight.spec import build, names

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA here")
LAYER = "encoder.layer.1"


def recipe(architecture: str | dict[str, Any], **more: Any) -> Recipe:
    training = {
        "epochs": 20.0,
        "batch_size": 64,
        "lr": 1e-2,
        "dead_after": 500,
        "log_every": 5,
        **more.pop("train", {}),
    }
    return Recipe.parse({"n_latents": 24, "architecture": architecture, "train": training, **more})


def source(architecture: str) -> Any:
    return toy_source(targets=build("architecture", architecture).targets)


@pytest.mark.parametrize("architecture", names("architecture"))
def test_every_architecture_learns_what_it_learns_on_the_cpu(architecture: str, tmp_path: Path) -> None:
    if architecture == "stack":
        pytest.skip("is made of runs")
    runs = {d: train(recipe(architecture), tmp_path / d, source(architecture), device=d) for d in ("cpu", "cuda")}
    first, second = (
        {key: run.summary["quality"][key] for key in ("explained_variance", "l0")}
        for run in runs.values()
        if run.summary
    )
    assert second["explained_variance"] == pytest.approx(first["explained_variance"], abs=0.03)
    assert second["l0"] == pytest.approx(first["l0"], rel=0.1, abs=0.5)


def test_the_first_steps_have_the_weights_of_the_cpu() -> None:
    weights = {}
    for device in ("cpu", "cuda"):
        job = prepare(recipe({"name": "topk", "k": 4}), toy_source(), device=device)
        batches = job.source.batches(64, 0)
        for _ in range(5):
            job.trainer.step(next(batches))
        weights[device] = job.sae.W_dec.detach().cpu()
    assert torch.allclose(weights["cpu"], weights["cuda"], atol=1e-4)


class Stop(Observer):
    def on_checkpoint(self, step: int) -> None:
        if step == 20:
            raise KeyboardInterrupt


def test_a_run_resumes_to_the_same_quality(tmp_path: Path) -> None:
    asked = recipe({"name": "topk", "k": 4}, train={"checkpoint_every": 10})
    whole = train(asked, tmp_path / "whole", toy_source(), device="cuda")
    with pytest.raises(KeyboardInterrupt):
        train(asked, tmp_path / "stopped", toy_source(), observers=[Stop()], device="cuda")
    stopped = resume(tmp_path / "stopped", toy_source())
    for name, tensor in whole.sae().state_dict().items():
        assert torch.allclose(tensor, stopped.sae().state_dict()[name], atol=1e-3), name
    print("same bits:", digest(whole.sae()) == digest(stopped.sae()))  # noqa: T201


def test_a_survey_is_that_of_the_cpu(tmp_path: Path) -> None:
    run = train(recipe({"name": "topk", "k": 4}), tmp_path / "run", toy_source())
    atlases = [survey(run.sae().to(device), toy_source()) for device in ("cpu", "cuda")]
    for name, column in atlases[0].numbers().items():
        other = torch.as_tensor(atlases[1].numbers()[name].values)
        assert torch.allclose(torch.as_tensor(column.values).double(), other.double(), atol=1e-2, equal_nan=True), name


def test_the_estimator_trains_there() -> None:
    x = toy_source().gather(torch.arange(256)).numpy()
    model = SparseAutoencoder(16, device="cuda", max_epochs=5).fit(x)
    assert model.transform(x).shape == (256, 16)


def test_activations_are_those_of_the_cpu(tmp_path: Path) -> None:
    folder = tiny.bert(tmp_path / "bert")
    found = {}
    for device in ("cpu", "cuda"):
        host = open_host(str(folder)).to(device)
        reading = Reading(host, build("feed", "texts", documents=tiny.TEXTS * 10, host=host), [LAYER])
        (place,) = harvest(reading, tmp_path / device, dtype="float32")
        found[device] = Shards(open_folder(place)).whole("x")
    assert torch.allclose(found["cpu"], found["cuda"], atol=1e-3)


@pytest.mark.parametrize("make", [tiny.bert, tiny.llama])
def test_training_splicing_and_steering_work_there(make: Any, tmp_path: Path) -> None:
    folder = make(tmp_path / "model")
    layer = LAYER if make is tiny.bert else "model.layers.1"
    feed = {"name": "texts", "documents": tiny.TEXTS * 40}
    given = {"name": "activations", "model": str(folder), "at": layer, "device": "cuda"}
    run = train(recipe({"name": "topk", "k": 8}), tmp_path / "run", build("source", given, feed=feed), device="cuda")
    host = open_host(str(folder)).to("cuda")
    reading = Reading(host, build("feed", feed, host=host), [layer])
    both = [splice(run.sae().to(device), reading) for device in ("cuda", "cpu")]
    for kind in ("spliced", "zero"):
        assert both[0]["samples"][kind] == pytest.approx(both[1]["samples"][kind], rel=1e-3, abs=1e-4)
    block = reading.feed.block(0)
    kwargs = {name: each.to("cuda") for name, each in block.kwargs.items()}
    clean = host.module(**kwargs)[0]
    with run.sae().to("cuda").steer(host.module, at=layer, feature=3, by=5.0):
        assert not torch.allclose(host.module(**kwargs)[0], clean)
