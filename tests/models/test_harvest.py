"""Activations on disk: all of them, once each, whatever happens while they are written."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from tiny import TEXTS

from sparsight.distributed import World
from sparsight.errors import SparsightError
from sparsight.models.harvest import harvest
from sparsight.models.host import Host, open_host
from sparsight.models.reading import Reading
from sparsight.shards import Shards, open_folder
from sparsight.spec import build

LAYER = "encoder.layer.1"


def reading(host: Host, *at: str, documents: Any = TEXTS, **knobs: Any) -> Reading:
    feed = build("feed", "texts", documents=documents, host=host, **{"context": 12, "per_block": 24, **knobs})
    return Reading(host, feed, at or [LAYER])


def stored(folder: Path) -> dict[str, np.ndarray]:
    """All rows of all columns, by document and position."""
    shards = Shards(open_folder(folder))
    found = {name: shards.whole(name).float().numpy() for name in shards.folder.columns}
    order = np.lexsort((found["position"], found["item"]))
    return {name: column[order] for name, column in found.items()}


def test_what_layers_give_is_stored_with_where_it_came_from(tmp_path: Path, bert: Host) -> None:
    asked = reading(bert, LAYER, "encoder.layer.0.intermediate")
    first, second = harvest(asked, tmp_path / "shards", dtype="float32")
    assert (first.name, second.name) == (LAYER, "encoder.layer.0.intermediate")
    for name, place in ((LAYER, first), ("encoder.layer.0.intermediate", second)):
        found = stored(place)
        rows = torch.cat([asked.rows(n)[name] for n in range(len(asked.feed))]).numpy()
        columns = [asked.columns(name, n) for n in range(len(asked.feed))]
        item, position = (torch.cat([each[key] for each in columns]).numpy() for key in ("item", "position"))
        np.testing.assert_array_equal(found["x"], rows[np.lexsort((position, item))])
        about = open_folder(place).about
        assert (about["kind"], about["at"], about["model"]["name"]) == ("text", name, "transformers")
        assert open_folder(place).complete


def test_tokens_are_shown_in_their_context(tmp_path: Path, bert: Host) -> None:
    (folder,) = harvest(reading(bert), tmp_path / "shards")
    source = build("source", {"name": "shards", "path": str(folder)})
    groups = source.groups()
    assert groups is not None
    for sample in range(0, len(source), 5):
        context = source.context(sample, reach=2)
        assert context is not None and context.tokens is not None
        assert "".join(context.tokens).strip() in TEXTS[int(groups[sample])]


def test_places_of_pictures_are_shown_on_what_the_model_saw(tmp_path: Path, net: Host) -> None:
    pixels = np.random.default_rng(0).random((5, 8, 8)).astype(np.float32)
    source = build("source", "arrays", data=pixels, labels=list("abcab"))
    asked = Reading(net, build("feed", "items", source=source, per_block=2), ["second"])
    (folder,) = harvest(asked, tmp_path / "shards")
    found = build("source", {"name": "shards", "path": str(folder)})
    assert found.schema.classes == ("a", "b", "c")
    context = found.context(7)
    assert context is not None and context.picture is not None
    assert (context.grid, context.here, context.ids) == ((2, 2), 3, (4, 5, 6, 7))
    np.testing.assert_array_equal(context.picture[:, :, 0], (pixels[1] * 255).round().astype(np.uint8))


def test_processes_share_the_work_and_lose_nothing(tmp_path: Path, bert: Host) -> None:
    harvest(reading(bert), tmp_path / "one", dtype="float32")
    for rank in (2, 0, 1):
        harvest(reading(bert), tmp_path / "many", dtype="float32", world=World(rank, 3))
    one, many = stored(tmp_path / "one"), stored(tmp_path / "many")
    for name, column in one.items():
        np.testing.assert_array_equal(many[name], column)


def test_a_harvest_that_is_complete_is_left_as_it_is(tmp_path: Path, bert: Host) -> None:
    told: list[int] = []
    harvest(reading(bert), tmp_path / "shards", tell=told.append)
    before = (tmp_path / "shards" / "index-0000.json").read_bytes()
    harvest(reading(bert), tmp_path / "shards", tell=told.append)
    assert sum(told) == len(stored(tmp_path / "shards")["item"])
    assert (tmp_path / "shards" / "index-0000.json").read_bytes() == before


def test_other_texts_do_not_go_on_with_a_harvest(tmp_path: Path, bert: Host) -> None:
    harvest(reading(bert), tmp_path / "shards")
    with pytest.raises(SparsightError, match=r"written with another .*source"):
        harvest(reading(bert, documents=TEXTS[:3]), tmp_path / "shards")
    with pytest.raises(SparsightError, match=r"columns of .* are x"):
        harvest(reading(bert, "encoder.layer.1.intermediate"), tmp_path / "shards")


def test_numbers_that_float16_cannot_hold_are_refused_with_a_way_out(tmp_path: Path, bert: Host) -> None:
    weight = bert.module.get_parameter("encoder.layer.1.output.LayerNorm.weight").data
    before = weight.clone()
    weight.mul_(1e6)
    try:
        with pytest.raises(SparsightError, match=r"NaN or infinity|beyond float16"):
            harvest(reading(bert), tmp_path / "half")
        harvest(reading(bert), tmp_path / "wide", dtype="bfloat16")
    finally:
        weight.copy_(before)


SCRIPT = """
import os, random, signal, sys, time, torch
torch.set_num_threads(1)
from test_harvest import LAYER, reading
from sparsight.models.harvest import harvest
from sparsight.models.host import open_host
asked = reading(open_host({model!r}), LAYER, "encoder.layer.0", documents={texts!r})
dice = random.Random(0)

def work():
    harvest(asked, {out!r}, dtype="float32", rows_per_shard=40, tell=lambda n: time.sleep(0.002))

for _ in range(20):
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    time.sleep(dice.uniform(0.02, 0.2))
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status), "it ended before it could be killed"
    names = os.listdir({out!r} + "/" + LAYER) if os.path.isdir({out!r}) else []
    print(sum(name.endswith(".x") for name in names), flush=True)
work()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that can be forked")
def test_twenty_kills_lose_no_sample_and_double_none(tmp_path: Path) -> None:
    model = tiny.bert(tmp_path / "model")
    documents = [f"{TEXTS[n % 6]} {TEXTS[(n * 7) % 6]}" for n in range(600)]
    out = tmp_path / "killed"
    script = SCRIPT.format(model=str(model), texts=documents, out=str(out))
    places = [str(Path(tiny.__file__).parent), str(Path(__file__).parent), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    shards = [int(line) for line in done.stdout.split()]
    assert len(set(shards)) > 5, "kills came in the midst of it"
    asked = reading(open_host(str(model)), LAYER, "encoder.layer.0", documents=documents)
    harvest(asked, tmp_path / "whole", dtype="float32")
    for layer in (LAYER, "encoder.layer.0"):
        killed, whole = stored(out / layer), stored(tmp_path / "whole" / layer)
        for name, column in whole.items():
            np.testing.assert_array_equal(killed[name], column)
