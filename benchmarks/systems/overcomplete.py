"""overcomplete: its training function, silent; it means over inputs and codes where others sum."""

from functools import partial
from itertools import islice

import torch
from tasks import L1, Task
from torch import Tensor

from systems import Make, System, without_init

without_init("overcomplete")

from overcomplete.sae.base import SAE  # noqa: E402
from overcomplete.sae.batchtopk_sae import BatchTopKSAE  # noqa: E402
from overcomplete.sae.losses import mse_l1, top_k_auxiliary_loss  # noqa: E402
from overcomplete.sae.topk_sae import TopKSAE  # noqa: E402
from overcomplete.sae.train import train_sae  # noqa: E402


def mse(x, x_hat, pre_codes, codes, dictionary):
    return (x - x_hat).square().mean()


def make(task: Task, *, auxk: bool) -> System | None:
    if auxk and task.k is None:
        return None
    if task.k is None:
        model = SAE(task.n_inputs, task.n_latents)
    else:
        kind, k = (BatchTopKSAE, task.k * task.batch_size) if task.of_batch else (TopKSAE, task.k)
        model = kind(task.n_inputs, task.n_latents, top_k=k)
    loss = partial(mse_l1, penalty=L1) if task.k is None else top_k_auxiliary_loss if auxk else mse
    optimizer = torch.optim.Adam(model.parameters(), lr=task.lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, task.fall) if task.steps else None
    batches = task.batches()

    def train(steps: int) -> None:
        train_sae(model, islice(batches, steps), loss, optimizer, schedule, nb_epochs=1, monitoring=0)

    def rebuild(x: Tensor) -> tuple[Tensor, Tensor]:
        _, codes, recon = model.eval()(x)
        return codes, recon

    return System(train, rebuild, model.get_dictionary)


SYSTEMS: dict[str, Make] = {
    "overcomplete": partial(make, auxk=False),
    "overcomplete, AuxK": partial(make, auxk=True),  # its auxiliary loss, which no default asks for
}
