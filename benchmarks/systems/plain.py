"""PyTorch as one writes it by hand: the same objective as ours, and nothing else in the loop."""

from functools import partial

import torch
from tasks import L1, Task
from torch import Tensor, nn

from systems import Make, System


class Plain(nn.Module):
    """Two linear layers; the decoder's bias is subtracted first, as everyone does."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.encoder = nn.Linear(task.n_inputs, task.n_latents)
        self.decoder = nn.Linear(task.n_latents, task.n_inputs)
        self.k, self.of_batch = task.k, task.of_batch

    def codes(self, x: Tensor) -> Tensor:
        codes = self.encoder(x - self.decoder.bias).relu()
        if self.k is not None:
            rivals, n = (codes.view(1, -1), self.k * len(x)) if self.of_batch else (codes, self.k)
            top = rivals.topk(n, dim=1)
            codes = torch.zeros_like(rivals).scatter(1, top.indices, top.values).view_as(codes)
        return codes

    def loss(self, x: Tensor) -> Tensor:
        codes = self.codes(x)
        error = 0.5 * (self.decoder(codes) - x).square().sum(1).mean()
        if self.k is not None:
            return error
        return error + L1 * (codes * self.decoder.weight.norm(dim=0)).sum(1).mean()


def make(task: Task, *, fused: bool) -> System:
    model = Plain(task)
    optimizer = torch.optim.Adam(model.parameters(), lr=task.lr, fused=fused or None)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, task.fall) if task.steps else None
    batches = task.batches()

    def train(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            model.loss(next(batches)).backward()
            optimizer.step()
            if schedule is not None:
                schedule.step()

    def rebuild(x: Tensor) -> tuple[Tensor, Tensor]:
        codes = model.codes(x)
        return codes, model.decoder(codes)

    return System(train, rebuild, lambda: model.decoder.weight.T)


SYSTEMS: dict[str, Make] = {"plain": partial(make, fused=False), "plain, fused Adam": partial(make, fused=True)}
