"""Whether our defaults reach what tuned peers reach: `python benchmarks/unseen.py [SHAPE ...]`.

The shapes are of data that no preset has, beside `synthetic-small`. Defaults were chosen with those before `colours` in
view; `colours`, `hidden` and `zipf-1024` came later. All systems keep the k largest of F codes, and have
the same batches and the same number of steps. Ours is told F, k, the size of batches and the number of epochs, and
nothing else. Each peer is trained with every learning rate of `RATES`, then with one below and one above the best of
these, halfway to its neighbours; they fall to 0 at the end. It is shown with the rate that explained most of the test
data: to choose by what is reported favours the peer. Of the rest it has what its own trainer takes by default, but for
a warm-up that would outlast the training.

Everything is measured on test samples: the explained variance, how many features fire in none of them, and, where the
true features are known, the mean maximal cosines of `sparsight.meters.recovery.agreement`. One seed.
"""

import argparse
import json
import math
import platform
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import torch
from systems import Make, System, found
from tasks import Task
from torch import Tensor

from sparsight import recipes
from sparsight.core import Codes, Source, Step
from sparsight.meters.quality import Quality
from sparsight.meters.recovery import best
from sparsight.spec import build

OURS = "sparsight, defaults"
LEFT_OUT = {"sparsight", "plain, fused Adam"}
"""What is nothing new beside another system."""
RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
BORDER = 448
"""The column of a photograph from which on patches are test samples."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """A task, with the samples it is measured on."""

    task: Task
    test: Tensor  # [N, D]
    truth: Tensor | None = None  # [A, D]


def whole(source: Source) -> Tensor:
    return source.gather(torch.arange(len(source)))


def of_source(name: str, source: dict[str, Any], n_latents: int, k: int, batch_size: int, epochs: float) -> Shape:
    """The test part of a source is what is measured on."""
    opened: Source = build("source", source)
    test = opened.test_part()
    assert test is not None
    return Shape(Task(name, n_latents, batch_size, whole(opened), k, epochs=epochs), whole(test), opened.truth())


def synthetic(name: str, n_latents: int, k: int, batch_size: int, epochs: float, **knobs: Any) -> Shape:
    return of_source(name, {"name": "synthetic", **knobs}, n_latents, k, batch_size, epochs)


def preset(name: str) -> Shape:
    recipe = recipes.read(name)
    train = recipe["train"]
    sizes = recipe["n_latents"], recipe["architecture"]["k"], train["batch_size"], train["epochs"]
    return of_source(name, recipe["source"], *sizes)


def photographed(side: int, n: int, n_test: int) -> tuple[Tensor, Tensor]:
    """Patches of the two photographs that scikit-learn ships, [n, side, side, 3]; those on the right are test."""
    from sklearn.datasets import load_sample_images

    images = [torch.tensor(image).float() / 255 for image in load_sample_images().images]
    dice = torch.Generator().manual_seed(0)

    def draw(n: int, part: slice) -> Tensor:
        all_of = torch.stack([image[:, part].unfold(0, side, 1).unfold(1, side, 1) for image in images])
        which = [torch.randint(size, (n,), generator=dice) for size in all_of.shape[:3]]
        return all_of[which[0], which[1], which[2]].movedim(1, -1)

    return draw(n, slice(0, BORDER)), draw(n_test, slice(BORDER, None))


def patches() -> Shape:
    """In grey, and without their mean."""
    train, test = (x.mean(3).flatten(1) for x in photographed(12, 40_000, 8_192))
    train, test = (x - x.mean(1, keepdim=True) for x in (train, test))
    return Shape(Task("patches", 512, 256, train, 12, epochs=4.0), test)


def colours() -> Shape:
    """As they are."""
    train, test = (x.flatten(1) for x in photographed(8, 60_000, 8_192))
    return Shape(Task("colours", 384, 512, train, 8, epochs=3.0), test)


def hidden() -> Shape:
    """What the 256 rectified units of a classifier of digits make of the digits, by scikit-learn."""
    from sklearn.neural_network import MLPClassifier

    digits: Source = build("source", "digits")
    held_out = digits.test_part()
    labels = digits.labels()
    assert held_out is not None and labels is not None
    x, test = whole(digits), whole(held_out)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged
        net = MLPClassifier(256, max_iter=5, random_state=0).fit(x.numpy(), labels.numpy())
    weights, biases = (torch.from_numpy(array[0]).float() for array in (net.coefs_, net.intercepts_))
    train, test = ((part @ weights + biases).relu() for part in (x, test))
    return Shape(Task("hidden", 1_024, 256, train, 10, epochs=12.0), test)


SHAPES: dict[str, Callable[[], Shape]] = {
    "heavy-128": lambda: synthetic(
        "heavy-128", 640, 10, 256, 3.0,
        n_samples=40_960, width=128, n_atoms=300, active=6.0, magnitudes="heavy", firing="correlated", zipf=0.7,
    ),
    "tree-400": lambda: synthetic(
        "tree-400", 1_500, 24, 512, 3.0,
        n_samples=61_440, width=400, n_atoms=900, active=14.0, magnitudes="uniform", firing="hierarchical", noise=0.05,
    ),
    "noisy-64": lambda: synthetic(
        "noisy-64", 256, 6, 128, 2.0,
        n_samples=30_720, width=64, n_atoms=160, active=4.0, magnitudes="uniform", noise=0.1,
    ),
    "patches": patches,
    "digits": lambda: of_source("digits", {"name": "digits"}, 400, 15, 256, 10.0),
    "synthetic-small": lambda: preset("synthetic-small"),
    "colours": colours,
    "hidden": hidden,
    "zipf-1024": lambda: synthetic(
        "zipf-1024", 1_536, 40, 256, 2.0,
        n_samples=30_720, width=1_024, n_atoms=768, active=30.0, zipf=1.0, noise=0.01,
    ),
    "synthetic-large": lambda: preset("synthetic-large"),
}  # fmt: skip
SLOW = {"synthetic-large"}


@torch.no_grad()
def measure(system: System, shape: Shape) -> dict[str, float]:
    """What a trained system makes of the test samples."""
    assert system.rebuild is not None and system.dictionary is not None
    quality = Quality()
    for x in shape.test.split(1_024):
        codes, recon = system.rebuild(x)
        quality.update(Step(x, x, Codes(codes, codes.shape[1]), recon, recon))
    result = quality.result()
    row = {"explained_variance": result["explained_variance"], "l0": result["l0"], "dead": result["silent"]}
    if shape.truth is not None:
        learned = system.dictionary()
        row["truth_to_learned"] = float(best(shape.truth, learned)[0].mean())
        row["learned_to_truth"] = float(best(learned, shape.truth)[0].mean())
    return row


def trained(name: str, make: Make, shape: Shape, rate: float | None) -> Row | None:
    """What one training comes to; None: there is no such model."""
    task = replace(shape.task, lr=rate)
    assert task.steps is not None
    torch.manual_seed(0)
    system = make(task)
    if system is None or system.rebuild is None:
        return None
    system.train(task.steps)
    return {"shape": task.name, "system": name, "rate": rate, **measure(system, shape)}


def rows(name: str, make: Make, shape: Shape) -> Iterator[Row]:
    """A row for each learning rate that is tried, one alone for ours; none where there is no such model."""
    done: list[Row] = []
    rates: list[float | None] = [None] if name == OURS else [*RATES]
    for rate in rates:  # which grows
        row = trained(name, make, shape, rate)
        if row is None:
            return
        yield row
        done.append(row)
        if len(done) == len(RATES):
            rates += beside(max(done, key=explained)["rate"])


def beside(rate: float) -> tuple[float, float]:
    """Halfway to the neighbours of a rate, which are about √10 times smaller and larger."""
    return float(f"{rate / 10**0.25:.1e}"), float(f"{rate * 10**0.25:.1e}")


def explained(row: Row) -> float:
    """What rows are ordered by; a training that ended in NaN comes last."""
    found = row["explained_variance"]
    return found if math.isfinite(found) else -math.inf


def merged(old: list[Row], new: list[Row]) -> list[Row]:
    """What was run again takes the place of what was run before."""

    def key(row: Row) -> tuple[Any, ...]:
        return row["shape"], row["system"], row["rate"]

    return list({key(row): row for row in (*old, *new)}.values())


def markdown(shape: str, rows: list[Row]) -> str:
    """The best row of each system of one shape, the best first."""
    shown: dict[str, Row] = {}
    for row in sorted((row for row in rows if row["shape"] == shape), key=explained, reverse=True):
        shown.setdefault(row["system"], row)
    lines = [
        f"### {shape}",
        "",
        "| system | learning rate | explained variance | dead | truth to learned | learned to truth |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, row in shown.items():
        cosines = [f"{row[way]:.3f}" if way in row else "" for way in ("truth_to_learned", "learned_to_truth")]
        rate = "its own" if row["rate"] is None else f"{row['rate']:g}"
        lines.append(
            f"| {name} | {rate} | {row['explained_variance']:.4f} | {row['dead']:.0f} | {' | '.join(cosines)} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    usual = [name for name in SHAPES if name not in SLOW]
    parser.add_argument(
        "shapes", nargs="*", metavar="SHAPE", help=f"of {', '.join(SHAPES)}; by default all but the last"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[], metavar="SYSTEM", help=f"such as {OURS!r}")
    parser.add_argument(
        "--out", type=Path, help="a stem: .json and .md are written; what is there and not run again is kept"
    )
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    systems, missing = found()
    for line in missing:
        print(line)
    chosen = {name: systems[name] for name in asked.only or [name for name in systems if name not in LEFT_OUT]}
    facts = {"date": date.today().isoformat(), "machine": platform.platform(), "torch": torch.__version__}
    print(json.dumps({**facts, "threads": asked.threads}))
    path = asked.out and asked.out.with_suffix(".json")
    done: list[Row] = json.loads(path.read_text())["rows"] if path and path.exists() else []
    for at in asked.shapes or usual:
        shape = SHAPES[at]()
        for name, make in chosen.items():
            for row in rows(name, make, shape):
                print(
                    json.dumps({key: round(v, 4) if isinstance(v, float) else v for key, v in row.items()}), flush=True
                )
                done = merged(done, [{**row, "date": facts["date"]}])
                if path:
                    path.write_text(json.dumps({**facts, "rows": done}, indent=1) + "\n")
        print(markdown(at, done), flush=True)
    if asked.out:
        ran = dict.fromkeys(row["shape"] for row in done)
        asked.out.with_suffix(".md").write_text("\n".join(markdown(name, done) for name in ran))


if __name__ == "__main__":
    main()
