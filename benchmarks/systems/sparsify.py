"""EleutherAI's sparsify: its sparse coder, in the order of its trainer's `fit`, which only trains inside a model."""

import torch
from tasks import LR, Task

from systems import Make, Train, without_init

without_init("sparsify")

from sparsify.config import SparseCoderConfig  # noqa: E402
from sparsify.sparse_coder import SparseCoder  # noqa: E402


def make(task: Task) -> Train | None:
    if task.k is None or task.of_batch:
        return None
    coder = SparseCoder(task.n_inputs, SparseCoderConfig(num_latents=task.n_latents, k=task.k))
    optimizer = torch.optim.Adam(coder.parameters(), lr=LR)
    batches = task.batches()
    idle = torch.zeros(task.n_latents, dtype=torch.long)

    def train(steps: int) -> None:
        for _ in range(steps):
            x = next(batches)
            coder.set_decoder_norm_to_unit_norm()
            out = coder(x)
            out.fvu.backward()
            coder.remove_gradient_parallel_to_decoder_directions()
            optimizer.step()
            optimizer.zero_grad()
            idle.add_(len(x))
            idle[out.latent_indices.flatten()] = 0

    return train


SYSTEMS: dict[str, Make] = {"sparsify": make}
