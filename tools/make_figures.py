"""Make the pictures of README and docs: `make figures`."""

from pathlib import Path

import torch

from sparsight import recipes
from sparsight.core import SAE
from sparsight.job import Recipe, prepare
from sparsight.views.pictures import grid, png, side_by_side

OUT = Path(__file__).parents[1] / "docs" / "figures"
SHOWN = 100


def trained(recipe: str) -> SAE:
    """A recipe's model of the embedded digits."""
    job = prepare(Recipe.parse({**recipes.read(recipe), "source": "digits"}))
    job.trainer.fit(job.source)
    return job.sae


def first(weights: torch.Tensor) -> torch.Tensor:
    """As many filters as fit on a picture."""
    return weights.detach()[:SHOWN]


def main() -> None:
    """The question's encoder beside the decoder of `strokes`, and all recipes' encoders above their decoders."""
    OUT.mkdir(parents=True, exist_ok=True)
    models = {name: trained(name) for name in ("question", "ufldl", "strokes")}
    shape = (28, 28)
    noise = grid(first(models["question"].W_enc), shape)
    strokes = grid(first(models["strokes"].W_dec), shape)
    head = {"the question: a sparsity cost, and noise": noise, "sparsight train digits: strokes": strokes}
    (OUT / "noise-and-strokes.png").write_bytes(png(side_by_side(head)))
    for part in ("encoder", "decoder"):
        panels = {}
        for name, sae in models.items():
            weights = sae.W_enc if part == "encoder" else sae.W_dec
            panels[f"{name}, {part}"] = grid(first(weights), shape, zoom=1)
        (OUT / f"recipes-{part}.png").write_bytes(png(side_by_side(panels)))


if __name__ == "__main__":
    main()
