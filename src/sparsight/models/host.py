"""The model whose activations are looked at."""

import hashlib
from abc import ABC
from typing import Any

import torch
from torch import nn

from sparsight.errors import SparsightError, did_you_mean
from sparsight.feeds import Block
from sparsight.spec import build, factory, names


class Host(ABC):
    """A model that somebody else trained: it is run, tapped and steered; its weights are never changed.

    Attributes:
        module: it is put into evaluation mode.
        name: as people know it.
        tokenizer: of transformers, where the model reads texts.
        causal: whether its logits predict the next token.
        n_context: the most tokens that it reads at once; None: nobody knows.
    """

    module: nn.Module
    name: str
    tokenizer: Any = None
    causal: bool = False
    n_context: int | None = None

    @classmethod
    def opens(cls, path: str) -> dict[str, Any] | None:
        """The knobs with which a path or a name is opened, or None where it cannot be."""
        return None

    @property
    def device(self) -> torch.device:
        found = next(self.module.parameters(), None)
        return torch.device("cpu") if found is None else found.device

    def to(self, device: str) -> "Host":
        """Move it, in place."""
        self.module.to(device)
        return self

    def run(self, block: Block) -> Any:
        """What the model gives for a block."""
        device = self.device
        args = (given.to(device) for given in block.args)
        return self.module(*args, **{name: given.to(device) for name, given in block.kwargs.items()})

    def fingerprint(self) -> str:
        """SHA-256 of names, types and bytes of all weights and buffers."""
        hasher = hashlib.sha256()
        for name, tensor in sorted(self.module.state_dict().items()):
            hasher.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
            hasher.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return hasher.hexdigest()

    def _hold(self, module: nn.Module, name: str) -> None:
        self.module, self.name = module.eval(), name


def open_host(model: Any) -> Host:
    """A model as a host.

    Args:
        model: a path or a name, which every registered kind of model is asked for; a name and knobs; a module of torch;
            or a host.

    Raises:
        SparsightError: none of them opens it.
    """
    if isinstance(model, Host):
        return model
    if isinstance(model, nn.Module):
        return build("model", "module", module=model)
    if isinstance(model, dict):
        return build("model", model)
    path = str(model)
    for name in names("model"):
        opens = getattr(factory("model", name), "opens", None)
        found = None if opens is None else opens(path)
        if found is not None:
            return build("model", {"name": name, **found})
    raise SparsightError(
        f"there is no model {path!r}: give the folder or the name of a model of transformers, a .gguf file, or "
        f"file.py:function for a module of your own; {did_you_mean(path, names('model'))}"
    )
