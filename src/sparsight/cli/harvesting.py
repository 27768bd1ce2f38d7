"""`sparsight harvest`."""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast, get_args

from rich.console import Console

from sparsight import spec
from sparsight.cli.printing import print_json
from sparsight.cli.training import progress_bar
from sparsight.devices import choose_device
from sparsight.distributed import World
from sparsight.errors import SparsightError, did_you_mean
from sparsight.models.harvest import Stored
from sparsight.models.harvest import harvest as harvested
from sparsight.models.host import open_host
from sparsight.models.reading import Reading
from sparsight.sources import open_source


def harvest(
    model: str,
    changes: Sequence[str],
    *,
    at: Sequence[str],
    text: str | None,
    data: str | None,
    out: Path,
    dtype: str,
    share: str,
    device: str,
    plugins: Sequence[Path],
    as_json: bool,
    console: Console,
) -> None:
    """Store what layers of a model give, and say how much and how fast.

    Raises:
        SparsightError: the model, the layers, the texts or the folder cannot be used. What is complete is kept.
    """
    for plugin in plugins:
        spec.load_plugin(plugin)
    if (text is None) == (data is None):
        raise SparsightError(
            "say what goes into the model: --text for a file or folder of texts, or --data for samples"
        )
    if dtype not in get_args(Stored):
        raise SparsightError(f"--dtype is {dtype!r}; {did_you_mean(dtype, get_args(Stored))}")
    world = _share(share)
    host = open_host(model).to(choose_device(device))
    given = {"name": "texts", "path": text} if text is not None else {"name": "items", "source": open_source(str(data))}
    feed = spec.build("feed", spec.override(given, changes), host=host)
    reading = Reading(host, feed, at)
    counts = reading.counts(reading.at[0])[world.rank :: world.size]
    start, done = time.perf_counter(), 0
    with progress_bar(console) as bar:
        task = None if bar is None else bar.add_task("harvesting", total=int(counts.sum()), said="")

        def tell(samples: int) -> None:
            nonlocal done
            done += samples
            if bar is not None and task is not None:
                bar.update(task, advance=samples, said=f"{done / (time.perf_counter() - start):,.0f} samples/s")

        places = harvested(reading, out, dtype=cast(Stored, dtype), world=world, tell=tell)
    seconds = time.perf_counter() - start
    record: dict[str, Any] = {
        "folders": [str(place) for place in places],
        "layers": {name: {"width": reading.sites[name].width} for name in reading.at},
        "samples": int(counts.sum()),
        "computed": done,
        "seconds": seconds,
    }
    if as_json:
        print_json(record)
        return
    for name, place in zip(reading.at, places, strict=True):
        console.print(
            f"{name}: {record['samples']:,} samples of {reading.sites[name].width:,} in {place}", markup=False
        )
    if done:
        console.print(f"{done:,} of them now, in {seconds:,.1f} s ({done / seconds:,.0f} a second)", markup=False)
    else:
        console.print("all of them were there already", markup=False)


def _share(text: str) -> World:
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if found is None or int(found[1]) >= int(found[2]):
        raise SparsightError(f"--share is {text!r}: write 0/4 for the first of four, up to 3/4")
    return World(int(found[1]), int(found[2]))
