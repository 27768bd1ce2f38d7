"""Which tokens a feature raises and which it lowers."""

import torch
from torch import Tensor, nn

from sparsight.core import SAE
from sparsight.errors import SparsightError
from sparsight.models.host import Host


@torch.no_grad()
def unembedded(sae: SAE, host: Host, n: int = 10, features: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """What each decoder row adds to the logits by the shortest way, past all later layers.

    With d_j the row in raw units, g the weight of the last norm and W_U [V, D] the unembedding:
    ℓ_j = W_U (g ∘ d_j), less its mean over the vocabulary (nostalgebraist 2020, the logit lens).

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
    if not isinstance(found, nn.Module) or not isinstance(getattr(found, "weight", None), Tensor):
        raise SparsightError(f"{host.name} has no unembedding: which tokens a feature raises is not known")
    weight = found.weight.float().cpu()  # [V, D]
    rows = sae.rows(torch.arange(sae.n_latents) if features is None else features).float().cpu()
    if rows.shape[1] != weight.shape[1]:
        raise SparsightError(
            f"the features have {rows.shape[1]} numbers and the residual stream of {host.name} {weight.shape[1]}: "
            "only those of the residual stream add to logits"
        )
    scale = _last_norm(host.module)
    n = min(n, len(weight) // 2)
    tokens, values = [], []
    for part in rows.split(256):
        logits = (part if scale is None else part * scale) @ weight.T
        logits -= logits.mean(1, keepdim=True)
        high, low = logits.topk(n), logits.topk(n, largest=False)
        tokens.append(torch.cat([high.indices, low.indices.flip(1)], dim=1))
        values.append(torch.cat([high.values, low.values.flip(1)], dim=1))
    return torch.cat(tokens), torch.cat(values)


def _last_norm(module: nn.Module) -> Tensor | None:
    """The weight of the norm before the unembedding; None: it has none."""
    body = getattr(module, getattr(module, "base_model_prefix", ""), module)
    norms = [part for _, part in body.named_children() if "norm" in type(part).__name__.lower()]
    weight = getattr(norms[-1], "weight", None) if norms else None
    return weight.float().cpu() if isinstance(weight, Tensor) else None
