"""The explorer under load: first paint, scrolling, many clients, and a run with a million features.

    PYTHONPATH=src:benchmarks python benchmarks/explorer.py --runs FOLDER

The runs are made first where they are not there: real trainings of a few steps, since what filters look like changes
nothing here. The server is a process of its own, and so is each client.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

PORT = 8421
CLIENTS, SECONDS = 8, 60
SIZE = {"width": 1400, "height": 900}
PAINTS = 7
"""Pages that are opened for a median."""


def make(folder: Path) -> None:
    """The runs `f200`, `f65536` (digits, 784 inputs) and `f1000000` (scikit-learn's digits, 64 inputs)."""
    from sklearn.datasets import load_digits

    from sparsight import atlas as surveying
    from sparsight import spec
    from sparsight.job import Recipe, data_of, train

    surveying.EXACT = 8_192  # who is nearest to whom is approximate from there on: minutes less
    folder.mkdir(parents=True, exist_ok=True)
    small = folder / "small.npy"
    if not small.is_file():
        np.save(small, load_digits().images.astype(np.float32) / 16)
    for n, source, steps in (
        (200, {"name": "digits"}, 200),
        (65_536, {"name": "digits"}, 8),
        (1_000_000, {"name": "arrays", "path": str(small)}, 4),
    ):
        place = folder / f"f{n}"
        if place.exists():
            continue
        recipe = {"source": source, "n_latents": n, "architecture": {"name": "topk", "k": min(32, n)}}
        samples = len(spec.build("source", source))
        batch = 64 if n > 65_536 else 128
        recipe["train"] = {"epochs": steps * batch / (0.8 * samples), "batch_size": batch, "hold_out": 0.2}
        start = time.perf_counter()
        run = train(Recipe.parse(recipe), place)
        run.put_atlas(surveying.survey(run.sae(), data_of(run)[1], fits=16))
        print(f"{place.name}: made in {time.perf_counter() - start:.0f} s", flush=True)


class Server:
    """`sparsight explore` as a process."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "sparsight", "explore", str(folder), "--no-browser", "--port", str(PORT)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        self.base = f"http://127.0.0.1:{PORT}/"
        while True:
            try:
                self.get("api/runs")
                return
            except OSError:
                time.sleep(0.05)

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.base + path, timeout=60) as answer:
            return answer.read()

    def memory(self) -> dict[str, float]:
        """MB: all that is resident, and of it what is not pages of files."""
        status = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        found = {
            line.split(":")[0]: int(line.split()[1]) / 1024
            for line in status
            if line.startswith(("VmRSS", "RssAnon", "VmHWM"))
        }
        return {name: round(value) for name, value in found.items()}

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(10)


@contextmanager
def served(folder: Path) -> Iterator[Server]:
    """A server until it is not needed any more."""
    server = Server(folder)
    try:
        yield server
    finally:
        server.end()


def of_torch() -> float:
    """MB that a process which imports torch has resident."""
    code = "import torch; print([l.split()[1] for l in open('/proc/self/status') if l.startswith('VmRSS')][0])"
    return int(subprocess.check_output([sys.executable, "-c", code])) / 1024


PAINTED = """() => new Promise((done) => {
    const look = () => {
        const canvas = document.querySelector(".grid canvas");
        if (canvas && canvas.width > 300) {
            const at = canvas.getContext("2d").getImageData(0, 0, canvas.width, Math.min(200, canvas.height)).data;
            const seen = new Set();
            for (let i = 0; i < at.length; i += 4) seen.add(at[i]);
            if (seen.size > 100) return done(performance.now());
        }
        requestAnimationFrame(look);
    };
    look();
})"""
SCROLLED = """(seconds) => new Promise((done) => {
    const place = document.querySelector(".grid");
    const frames = [];
    const start = performance.now();
    let before = start;
    const tick = (now) => {
        frames.push(now - before);
        before = now;
        const part = (now - start) / (1000 * seconds);
        if (part >= 1) return done(frames.slice(2));
        place.scrollTop = part < 0.5 ? part * 40000 : 20000 + (part - 0.5) * 2 * (place.scrollHeight - 30000);
        requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
})"""


@contextmanager
def browsing() -> Iterator[Any]:
    """A browser."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("SPARSIGHT_BROWSER", "/usr/bin/chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def painted(server: Server, sizes: list[int]) -> dict[str, Any]:
    """ms to the first painted grid, in pages that are opened anew."""
    found = {}
    with browsing() as browser:
        for n in sizes:
            times = []
            for _ in range(PAINTS):
                context = browser.new_context(viewport=SIZE)
                page = context.new_page()
                page.goto(f"{server.base}#/run/f{n}/features")
                times.append(page.evaluate(PAINTED))
                context.close()
            found[f"first paint, {n:,} features"] = spread(times)
    return found


def scrolled(server: Server) -> dict[str, Any]:
    """ms of each frame while 65,536 features are scrolled through: some rows at first, and then from end to end."""
    with browsing() as browser:
        page = browser.new_page(viewport=SIZE)
        page.goto(f"{server.base}#/run/f65536/features")
        page.evaluate(PAINTED)
        page.wait_for_timeout(1000)
        frames = page.evaluate(SCROLLED, 10)
    return {**spread(frames), "frames": len(frames), "over 50 ms": sum(frame > 50 for frame in frames)}


def spread(times: list[float]) -> dict[str, float]:
    """Median, 95th percentile and largest, in ms."""
    ordered = sorted(times)
    return {
        "median": round(statistics.median(ordered), 1),
        "p95": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 1),
        "max": round(ordered[-1], 1),
    }


def questions(n: int, seed: int) -> Any:
    """What a page of a run asks, over and over, each time of other features."""
    rng = np.random.default_rng(seed)
    while True:
        ids = ",".join(map(str, rng.integers(0, n, 64)))
        yield f"api/run/f{n}/tiles?of=decoder&ids={ids}"
        yield f"api/run/f{n}/feature/{rng.integers(n)}"
        yield f"api/run/f{n}/about"
        yield f"api/run/f{n}/column/rate"
        yield f"api/run/f{n}/samples?ids={','.join(map(str, rng.integers(0, 300, 40)))}"
        yield f"api/run/f{n}/tiles?of=encoder&ids={ids}"


def asked(server: Server, n: int, clients: int, seconds: float) -> dict[str, Any]:
    """ms of each answer and errors, with so many clients who ask and wait for their answers, and think for 100 ms."""
    times: list[float] = []
    wrong: list[str] = []

    def client(seed: int) -> None:
        until = time.perf_counter() + seconds
        for path in questions(n, seed):
            start = time.perf_counter()
            try:
                server.get(path)
                times.append(1000 * (time.perf_counter() - start))
            except OSError as error:
                wrong.append(f"{path[:40]}: {error}")
            if time.perf_counter() > until:
                return
            time.sleep(0.1)

    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {**spread(times), "answers": len(times), "errors": len(wrong), "first error": wrong[:1]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--make", action="store_true", help="make the runs and nothing else")
    given = parser.parse_args()
    make(given.runs)
    if given.make:
        return
    found: dict[str, Any] = {"torch alone, MB": round(of_torch())}
    with served(given.runs / "f1000000") as server:  # alone, so that its memory is its own
        found |= painted(server, [1_000_000])
        found["1,000,000 features, one client"] = asked(server, 1_000_000, 1, 20)
        found["memory with 1,000,000 features, MB"] = server.memory()
    with served(given.runs) as server:
        found |= painted(server, [200, 65_536])
        found["scrolling, frames"] = scrolled(server)
        for n in (200, 65_536):
            found[f"{CLIENTS} clients, {n:,} features, {SECONDS} s"] = asked(server, n, CLIENTS, SECONDS)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
