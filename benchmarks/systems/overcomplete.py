"""overcomplete: its training function, silent; it means over inputs and codes where others sum."""

from itertools import islice

import torch
from tasks import L1, LR, Task

from systems import Make, Train, without_init

without_init("overcomplete")

from overcomplete.sae.base import SAE  # noqa: E402
from overcomplete.sae.batchtopk_sae import BatchTopKSAE  # noqa: E402
from overcomplete.sae.losses import mse_l1  # noqa: E402
from overcomplete.sae.topk_sae import TopKSAE  # noqa: E402
from overcomplete.sae.train import train_sae  # noqa: E402


def mse(x, x_hat, pre_codes, codes, dictionary):
    return (x - x_hat).square().mean()


def make(task: Task) -> Train:
    if task.k is None:
        model = SAE(task.n_inputs, task.n_latents)
    else:
        kind, k = (BatchTopKSAE, task.k * task.batch_size) if task.of_batch else (TopKSAE, task.k)
        model = kind(task.n_inputs, task.n_latents, top_k=k)
    loss = mse if task.k is not None else lambda *parts: mse_l1(*parts, penalty=L1)
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    batches = task.batches()

    def train(steps: int) -> None:
        train_sae(model, islice(batches, steps), loss, optimizer, nb_epochs=1, monitoring=0)

    return train


SYSTEMS: dict[str, Make] = {"overcomplete": make}
