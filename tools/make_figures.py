"""Make the pictures of README and docs: `make figures`."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from examples import question
from sparsight import recipes
from sparsight.core import Source
from sparsight.job import Recipe, prepare
from sparsight.spec import build, override
from sparsight.views.pictures import grid, png, side_by_side

OUT = Path(__file__).parents[1] / "docs" / "figures"
SHOWN = 100
EDGES = 64


def main() -> None:
    """The four panels of the question, the encoders and the decoders of its three recipes, and edges of photographs."""
    OUT.mkdir(parents=True, exist_ok=True)
    source: Source = build("source", "digits")
    with TemporaryDirectory() as folder:
        runs = question.trained(source, Path(folder))
        (OUT / "question.png").write_bytes(png(question.panels(source, runs)))
        models = {name: run.sae() for name, run in runs.items()}
    for part in ("encoder", "decoder"):
        panels = {}
        for name, sae in models.items():
            weights = sae.W_enc if part == "encoder" else sae.W_dec
            panels[f"{name}, {part}"] = grid(weights[:SHOWN], (28, 28), zoom=1)
        (OUT / f"recipes-{part}.png").write_bytes(png(side_by_side(panels)))
    (OUT / "patches.png").write_bytes(png(edges()))


def edges() -> np.ndarray:
    """What `patches` sees, and its filters in pixels, beside those of raw patches."""
    jobs = {
        name: prepare(Recipe.parse(override(recipes.read("patches"), changes)))
        for name, changes in (("patches", []), ("raw patches", ["preprocess=[]"]))
    }
    for job in jobs.values():
        job.trainer.fit(job.source)
    seen = jobs["patches"]
    raw = seen.source.gather(torch.arange(EDGES))
    panels = {
        "patches of photographs": raw - raw.mean(1, keepdim=True),
        "as the model sees them": seen.sae.preprocess(raw),
        **{f"{of} of the recipe": w[:EDGES] for of, w in seen.sae.filters().items()},
        "decoder without preprocessing": jobs["raw patches"].sae.filters()["decoder"][:EDGES],
    }
    return side_by_side({name: grid(rows, (12, 12), zoom=2) for name, rows in panels.items()})


if __name__ == "__main__":
    main()
