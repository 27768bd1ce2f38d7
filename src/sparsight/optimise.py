"""How a model is trained: the configuration, and the optimiser that it asks for."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from sparsight.core import SAE, Facts
from sparsight.errors import SparsightError

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
RATE = 0.6
"""Of the rule for Adam's learning rate."""
BIAS = 0.35
"""The rate of biases, of the learning rate times √(E‖target − mean‖²)."""
EPS = 1e-8
"""Adam's ε, for gradients of about one."""
HISTORY = 10
"""Steps that L-BFGS remembers; each takes twice the memory of the weights."""


class TrainConfig(BaseModel):
    """How a model is trained. Shares are of the whole training, 0 to 1."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    epochs: Annotated[float, Field(gt=0)] = 30.0
    batch_size: Positive | Literal["all"] = 256
    micro_batch_size: Positive | None = None
    """Samples that go through the model at once; the gradients of a batch are summed up, and equal."""
    optimizer: Literal["adam", "sgd", "lbfgs"] = "adam"
    lr: Annotated[float, Field(gt=0)] | None = None
    """The learning rate of all parameters; None: by a rule for weights, and one for biases."""
    betas: Annotated[list[float], Field(min_length=2, max_length=2)] = [0.5, 0.98]
    """Of Adam. Short memories suit features that fire in few steps, and an error that falls fast at first."""
    momentum: Share = 0.0
    """Of SGD."""
    iterations: Positive = 10
    """Of L-BFGS, in each step."""
    warmup: Share = 0.0
    """The learning rate rises linearly over this share, the first."""
    decay: Share = 0.8
    """The learning rate falls linearly to 0 over this share, the last."""
    clip: Annotated[float, Field(gt=0)] | None = None
    """The largest norm that the gradient may have."""
    dead_after: Positive = 7_680
    """Samples without firing after which a feature is dead."""
    hold_out: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The share of the samples that are measured, and never trained on."""
    patience: Positive | None = None
    """Evaluations without improvement on held-out samples after which training stops, at the best weights."""
    evaluate_every: Positive | None = None
    """Steps between evaluations on held-out samples; None: an epoch."""
    log_every: Positive = 50
    checkpoint_every: Positive | None = None
    """Steps between checkpoints; None: an epoch, and at most 1,000."""


def learning_rate(config: TrainConfig, sae: SAE, steps: int) -> float:
    """The largest learning rate: `train.lr`, or where that is None, .6 / (√D ∛steps) for Adam and 1 for L-BFGS.

    Adam moves each weight by about the learning rate in a step, whatever the units of the data, and a row of length one
    has weights of about 1/√D. Long trainings do better with shorter steps: at a rate that suits 500 steps, features die
    in 2,000. The number of features has no part in it: on `synthetic-small` .006 is good for 512, 1,024 and 4,096.
    Biases take a share of it that has the units of the data: see `make_optimizer`.

    Raises:
        SparsightError: none is given for SGD, whose steps grow with the data.
    """
    if config.lr is not None:
        return config.lr
    if config.optimizer == "sgd":
        raise SparsightError("no learning rate of sgd suits all data: set train.lr")
    return 1.0 if config.optimizer == "lbfgs" else RATE * sae.n_inputs**-0.5 * steps ** (-1 / 3)


def _bare(method: Any) -> Any:
    return getattr(method, "__wrapped__", method)


class Adam(torch.optim.Optimizer):
    """Adam (Kingma & Ba 2015), one call of PyTorch's fused kernel.

    Steps and state are those of `torch.optim.Adam(..., fused=True)`, which looks for its tensors, their devices and
    their types anew in every step: as much time as the kernel itself takes for a small network.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]], *, lr: float, betas: tuple[float, float]
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": EPS})

    # as they are, without what makes them import torch's compiler, which takes longer than many a training
    add_param_group = _bare(torch.optim.Optimizer.add_param_group)
    zero_grad = _bare(torch.optim.Optimizer.zero_grad)
    state_dict = _bare(torch.optim.Optimizer.state_dict)
    load_state_dict = _bare(torch.optim.Optimizer.load_state_dict)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step against the gradients that `closure` leaves behind; parameters without one stay as they are."""
        loss = None if closure is None else closure()
        with torch.no_grad():
            self._move()
        return loss

    def _move(self) -> None:
        for group in self.param_groups:
            moved = [p for p in group["params"] if p.grad is not None]
            states = [self.state[p] or self._begin(p) for p in moved]
            for p, state in zip(moved, states, strict=True):
                state["step"] = state["step"].to(p.device)  # a state that was loaded has it on the CPU
            steps = [state["step"] for state in states]
            for step in steps:
                step += 1
            torch._fused_adam_(  # pyright: ignore[reportPrivateImportUsage]
                moved,
                [p.grad for p in moved],
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                [],
                steps,
                lr=group["lr"],
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                weight_decay=0.0,
                eps=group["eps"],
                amsgrad=False,
                maximize=False,
            )

    def _begin(self, p: nn.Parameter) -> dict[str, torch.Tensor]:
        state = self.state[p]
        state["step"] = torch.zeros((), dtype=torch.float32, device=p.device)
        state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(p), torch.zeros_like(p)
        return state


def make_optimizer(sae: SAE, config: TrainConfig, lr: float, facts: Facts) -> torch.optim.Optimizer:
    """Adam, SGD with momentum, or L-BFGS with a strong Wolfe line search, over all parameters.

    The rate of a group of parameters is the learning rate times its `share`. Where the learning rate is by the rule,
    biases have a share of .35 √(E‖target − mean‖²): Adam moves each number by about its rate, and biases have the units
    of the data, so at one rate for all, data of small numbers would have biases that jump, and of large ones, biases
    that stand still. Adam's ε has the units of the gradients, which are those of the data for biases, and their square
    for weights.
    """
    parameters = list(sae.parameters())
    biases = sae.biases() if config.optimizer == "adam" and config.lr is None else []
    groups: list[dict[str, Any]] = [{"params": parameters, "share": 1.0}]
    if biases:
        size, those = facts.power**0.5 or 1.0, {id(bias) for bias in biases}
        groups = [
            {"params": [p for p in parameters if id(p) not in those], "share": 1.0, "eps": EPS * size**2},
            {"params": biases, "share": BIAS * size, "eps": EPS * size},
        ]
    if config.optimizer == "adam":
        return Adam(groups, lr=lr, betas=(config.betas[0], config.betas[1]))
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=lr, momentum=config.momentum)
    return torch.optim.LBFGS(
        groups, lr=lr, max_iter=config.iterations, history_size=HISTORY, line_search_fn="strong_wolfe"
    )
