"""EleutherAI's sparsify: its sparse coder, in the order of its trainer's `fit`, which only trains inside a model.

With Adam, whose learning rate rises and then falls to 0 until the end, if there is one. Its auxiliary loss is off.
"""

import torch
from tasks import WARMUP, Task
from torch import Tensor

from systems import Make, System, without_init

without_init("sparsify")

from sparsify.config import SparseCoderConfig  # noqa: E402
from sparsify.sparse_coder import SparseCoder  # noqa: E402
from transformers import get_linear_schedule_with_warmup  # noqa: E402


def make(task: Task) -> System | None:
    if task.k is None or task.of_batch:
        return None
    coder = SparseCoder(task.n_inputs, SparseCoderConfig(num_latents=task.n_latents, k=task.k))
    optimizer = torch.optim.Adam(coder.parameters(), lr=task.lr)
    steps = task.steps
    schedule = get_linear_schedule_with_warmup(optimizer, int(WARMUP * steps), steps) if steps else None
    batches = task.batches()
    idle = torch.zeros(task.n_latents, dtype=torch.long)

    started = False

    def train(steps: int) -> None:
        nonlocal started
        for _ in range(steps):
            x = next(batches)
            if not started:
                coder.b_dec.data = x.mean(0)
                started = True
            coder.set_decoder_norm_to_unit_norm()
            out = coder(x)
            out.fvu.backward()
            coder.remove_gradient_parallel_to_decoder_directions()
            optimizer.step()
            optimizer.zero_grad()
            if schedule is not None:
                schedule.step()
            idle.add_(len(x))
            idle[out.latent_indices.flatten()] = 0

    def rebuild(x: Tensor) -> tuple[Tensor, Tensor]:
        out = coder(x)
        codes = torch.zeros(len(x), task.n_latents).scatter(1, out.latent_indices, out.latent_acts)
        return codes, out.sae_out

    return System(train, rebuild, lambda: coder.W_dec)


SYSTEMS: dict[str, Make] = {"sparsify": make}
