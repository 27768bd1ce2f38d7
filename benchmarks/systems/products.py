"""No training: the five matrix products of a dense step alone, which is the limit of the machine."""

import torch
from tasks import Task

from systems import Make, System


def flops(task: Task) -> int:
    """Of the five products of one step."""
    return 5 * 2 * task.batch_size * task.n_inputs * task.n_latents


def make(task: Task) -> System:
    x = task.data[: task.batch_size]  # [B, D]
    weight = torch.rand(task.n_latents, task.n_inputs)  # [F, D]
    codes = torch.empty(len(x), task.n_latents)
    recon, gradient = torch.empty_like(x), torch.empty_like(weight)

    def train(steps: int) -> None:
        for _ in range(steps):
            torch.mm(x, weight.T, out=codes)  # encode
            torch.mm(codes, weight, out=recon)  # decode
            torch.mm(codes.T, x, out=gradient)  # gradient of the decoder
            torch.mm(x, weight.T, out=codes)  # of the codes
            torch.mm(codes.T, x, out=gradient)  # of the encoder

    return System(train)


SYSTEMS: dict[str, Make] = {"products": make}
