"""Which tokens a feature raises and which it lowers."""

import torch
from torch import Tensor, nn

from sparsight.core import SAE
from sparsight.core.taps import INPUT, Edit, editing
from sparsight.errors import SparsightError
from sparsight.feeds import Block
from sparsight.models.host import Host


@torch.no_grad()
def unembedded(sae: SAE, host: Host, n: int = 10, features: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """What each decoder row adds to the logits by the shortest way, past all later layers.

    With d_j the row in raw units (less its mean, where the last norm takes that away), g the weight of the last norm
    and W_U [V, D] the unembedding: ℓ_j = W_U (g ∘ d_j), less its mean over the vocabulary (nostalgebraist 2020, the
    logit lens). The norm divides by the length of the stream, which is not known here: ℓ are in the units of logits
    only up to that, and compare tokens, not features.

    Args:
        sae: trained on the residual stream of the model.
        host: a model that predicts the next token.
        n: tokens to each side.
        features: of these alone; None: of all.

    Returns:
        Tokens, [F, 2n], the most raised first, the most lowered last; and ℓ at these, [F, 2n].

    Raises:
        SparsightError: the model predicts no tokens, or the rows are not as wide as its unembedding.
    """
    found = getattr(host.module, "get_output_embeddings", lambda: None)() if host.causal else None
    raw = getattr(found, "weight", None)
    if not isinstance(raw, Tensor):
        raise SparsightError(f"{host.name} has no unembedding: which tokens a feature raises is not known")
    weight = raw.float().cpu()  # [V, D]
    rows = sae.rows(torch.arange(sae.n_latents) if features is None else features).float().cpu()
    if rows.shape[1] != weight.shape[1]:
        raise SparsightError(
            f"the features have {rows.shape[1]} numbers and the residual stream of {host.name} {weight.shape[1]}: "
            "only those of the residual stream add to logits"
        )
    norm = _last_norm(host.module)
    if isinstance(norm, nn.LayerNorm):
        rows = rows - rows.mean(1, keepdim=True)
    scale = None if norm is None else _scale(norm, rows.shape[1])
    n = min(n, len(weight) // 2)
    tokens, values = [], []
    for part in rows.split(256):
        logits = (part if scale is None else part * scale) @ weight.T
        logits -= logits.mean(1, keepdim=True)
        high, low = logits.topk(n), logits.topk(n, largest=False)
        tokens.append(torch.cat([high.indices, low.indices.flip(1)], dim=1))
        values.append(torch.cat([high.values, low.values.flip(1)], dim=1))
    return torch.cat(tokens), torch.cat(values)


@torch.no_grad()
def in_stream(host: Host, at: str, block: Block) -> bool:
    """Whether what a layer gives is the residual stream: the very numbers that a block, or the last norm, takes.

    Args:
        host: the model.
        at: the layer, as `Tap` takes it.
        block: what the model is run on.
    """
    norm = _last_norm(host.module)
    norms = [name for name, part in host.module.named_modules() if part is norm]
    takers = [*norms, *(f"{name}.{n}" for name, part in _lists(host.module) for n in range(len(part)))]
    if at.endswith(INPUT) and at.removesuffix(INPUT) in takers:
        return True
    seen: dict[str, Tensor] = {}

    def look(name: str) -> Edit:
        def keep(given: Tensor) -> Tensor:
            return seen.setdefault(name, given)

        return keep

    with editing(host.module, {name: look(name) for name in [at, *(name + INPUT for name in takers)]}):
        host.run(block)
    stream = seen.pop(at)
    return any(taken.shape == stream.shape and torch.equal(taken, stream) for taken in seen.values())


def _lists(module: nn.Module) -> list[tuple[str, nn.ModuleList]]:
    """The lists of blocks, which lie in no other list."""
    found = [(name, part) for name, part in module.named_modules() if isinstance(part, nn.ModuleList)]
    return [(name, part) for name, part in found if not any(each.isdigit() for each in name.split("."))]


def _last_norm(module: nn.Module) -> nn.Module | None:
    """The norm before the unembedding, which is in no list of blocks; None: there is none."""
    found = [
        part
        for name, part in module.named_modules()
        if "norm" in type(part).__name__.lower() and not any(each.isdigit() for each in name.split("."))
    ]
    return found[-1] if found else None


def _scale(norm: nn.Module, width: int) -> Tensor:
    """g, [D], by what the norm makes of ±1, which it only multiplies: the weights of some norms are g − 1."""
    weight = next(norm.parameters(), None)
    signs = torch.where(torch.arange(width) % 2 == 0, 1.0, -1.0)
    if weight is not None:
        signs = signs.to(weight)
    made = norm(torch.stack([signs, -signs]))
    return ((made[0] - made[1]) / (2 * signs)).float().cpu()
