"""How fast systems train: `python benchmarks/speed.py [TASK ...]`.

All systems take turns, in an order that is drawn anew in each round, so that what else the machine does, and what the
system before leaves behind, falls on all alike. A ratio is that of two systems in the same round: its median over
rounds, with the smallest and the largest. Peak memory is that of a process of its own. Systems that are not installed
are left out.
"""

import argparse
import json
import platform
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any

import torch
from systems import Make, System, Train, found
from systems.products import flops
from tasks import TASKS

OURS = "sparsight"
CLEAR = Path("/proc/self/clear_refs")
STATUS = Path("/proc/self/status")


def rounds_of(trains: dict[str, Train], n_rounds: int, seconds: float) -> dict[str, list[float]]:
    """Seconds per step of each system in each round; a turn takes about `seconds`, and at least one step."""
    steps = {}
    for name, train in trains.items():
        train(1)  # warm up
        start = time.perf_counter()
        train(1)
        steps[name] = max(1, round(seconds / (time.perf_counter() - start)))
    took: dict[str, list[float]] = {name: [] for name in trains}
    dice = random.Random(0)
    for _ in range(n_rounds):
        for name in dice.sample(list(trains), len(trains)):
            trains[name](1)  # what the system before left in the caches, and its threads, are not this one's doing
            start = time.perf_counter()
            trains[name](steps[name])
            took[name].append((time.perf_counter() - start) / steps[name])
    return took


def ratio(of: Sequence[float], to: Sequence[float]) -> tuple[float, float, float]:
    """Median, smallest and largest of of / to, round by round."""
    each = [a / b for a, b in zip(of, to, strict=True)]
    return statistics.median(each), min(each), max(each)


def peak_memory(task: str, system: str, threads: int) -> float:
    """MB over what the process held before training, data included in both."""
    command = [sys.executable, __file__, task, "--only", system, "--threads", str(threads), "--memory-of-one"]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def memory_of_one(made: Callable[[], System | None]) -> float:
    """MB that making and training one system in this process adds to what it holds (Linux)."""

    def read(what: str) -> float:
        line = re.search(rf"{what}:\s+(\d+)", STATUS.read_text())
        assert line is not None
        return int(line[1]) / 1024

    CLEAR.write_text("5")  # the peak starts anew
    before = read("VmRSS")
    system = made()
    assert system is not None
    system.train(4)
    return read("VmHWM") - before


def measure(name: str, systems: Mapping[str, Make], asked: argparse.Namespace) -> dict[str, Any]:
    """One task with all systems that have it."""
    task = TASKS[name]()
    made = {system: make(task) for system, make in systems.items()}
    trains = {name: system.train for name, system in made.items() if system is not None}
    took = rounds_of(trains, asked.rounds, asked.seconds)
    row: dict[str, Any] = {"task": name, "gflops_limit": flops(task) / statistics.median(took["products"]) / 1e9}
    row["systems"] = {
        system: {
            "ms": [1e3 * t for t in times],
            "ratio": ratio(times, took[OURS]),
            "mb": None if asked.no_memory or system == "products" else peak_memory(name, system, asked.threads),
        }
        for system, times in took.items()
    }
    return row


def markdown(row: dict[str, Any]) -> str:
    lines = [
        f"### {row['task']}: products at {row['gflops_limit']:.0f} GFLOP/s",
        "",
        "| system | ms per step | times ours | peak MB |",
        "|---|---:|---:|---:|",
    ]
    for ms, system in sorted((statistics.median(one["ms"]), system) for system, one in row["systems"].items()):
        middle, low, high = row["systems"][system]["ratio"]
        mb = row["systems"][system]["mb"]
        lines.append(
            f"| {system} | {ms:.4g} | {middle:.2f} ({low:.2f} to {high:.2f}) | {'' if mb is None else f'{mb:.0f}'} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=f"of {', '.join(TASKS)}; all by default")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a system's turn")
    parser.add_argument("--only", nargs="*", default=[], metavar="SYSTEM", help="beside sparsight and products")
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--out", type=Path, help="a stem: .json and .md are written")
    parser.add_argument("--memory-of-one", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    systems, missing = found()
    if asked.memory_of_one:
        task, make = TASKS[asked.tasks[0]](), systems[asked.only[0]]
        print(memory_of_one(lambda: make(task)))
        return
    machine = {
        "date": date.today().isoformat(),
        "machine": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": asked.threads,
        "rounds": asked.rounds,
    }
    print(json.dumps(machine))
    for line in missing:
        print(line)
    if asked.only:
        systems = {name: systems[name] for name in systems if name in (*asked.only, OURS, "products")}
    rows = []
    with _limited(asked.threads):
        for name in asked.tasks or TASKS:
            row = measure(name, systems, asked)
            rows.append(row)
            print(markdown(row), flush=True)
    if asked.out:
        asked.out.with_suffix(".json").write_text(json.dumps({**machine, "rows": rows}, indent=1) + "\n")
        asked.out.with_suffix(".md").write_text("\n".join(map(markdown, rows)))


def _limited(threads: int) -> Any:
    """NumPy's own threads, which scikit-learn uses, are as many as PyTorch's."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return threadpool_limits(threads)


if __name__ == "__main__":
    main()
