"""How a TopK step grows with the number of features: `python benchmarks/scaling.py [F ...]`.

At 768 inputs, batches of 2,048 and k = 32 the encoder's product [B, D] × [D, F] must grow with F; all else should not
grow faster. Each round times, one after the other, that product alone, a step of `Trainer.step` without its optimiser,
and the optimiser. Medians over rounds; *step / product* is taken round by round.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from tasks import Task, mixtures

from sparsight.job import Recipe, prepare
from sparsight.spec import build


def timed(do: Callable[[], object]) -> float:
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def rounds_of(task: Task, n_rounds: int) -> list[tuple[float, float, float]]:
    """Seconds of the product, of a step without its optimiser, and of the optimiser, in each round."""
    recipe = {
        "n_latents": task.n_latents,
        "architecture": {"name": "topk", "k": task.k},
        "train": {"batch_size": task.batch_size, "dead_after": 10_000_000},
    }
    job = prepare(Recipe.parse(recipe), build("source", "arrays", data=task.data), open_ended=True)
    batches = job.source.batches(task.batch_size, 0)
    optimizer, move = job.trainer.optimizer, job.trainer.optimizer.step
    took: list[float] = []

    def step(closure: Callable[[], torch.Tensor]) -> None:
        closure()
        took.append(timed(lambda: move(lambda: None)))

    optimizer.step = step  # type: ignore[method-assign, assignment]
    x, weight = task.data[: task.batch_size], job.sae.W_enc.detach()
    rows = []
    for number in range(n_rounds + 1):
        product = timed(lambda: x @ weight.T)
        whole = timed(lambda: job.trainer.step(next(batches)))
        if number:  # the first warms up
            rows.append((product, whole - took[-1], took[-1]))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=[4_096, 8_192, 16_384, 32_768, 65_536], metavar="F")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    data = mixtures()
    print("| features | product, ms | step, ms | step / product | optimiser, ms |\n|---:|---:|---:|---:|---:|")
    for n_latents in asked.sizes:
        rows = rounds_of(Task("scaling", n_latents, 2_048, data, k=32), asked.rounds)
        product, step, optimizer = (1e3 * statistics.median(column) for column in zip(*rows, strict=True))
        ratios = [step / product for product, step, _ in rows]
        print(
            f"| {n_latents:,} | {product:.4g} | {step:.4g} | {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f}) | {optimizer:.4g} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
