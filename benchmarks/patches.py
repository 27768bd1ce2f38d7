"""Whether the recipe `patches` finds edges: `python benchmarks/patches.py [--seeds N] [--out FILE]`.

For each seed, of encoder filters and decoder rows in pixels: the share of the living with a Gabor function of R² > .6,
the median R², and the fewest of those in any of 12 bins of orientation, 15° each. Beside them the same of what has
learned nothing of photographs: where training starts, which is at whitened patches; the principal components of
patches; white noise; and the recipe trained on noise with the mean and the covariance of patches, which has no edges.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparsight import recipes
from sparsight.atlas import survey
from sparsight.core import SAE, Source
from sparsight.job import Job, Recipe, prepare
from sparsight.meters.gabor import GaborFit, fit_gabor
from sparsight.meters.quality import evaluate
from sparsight.meters.shape import white_noise
from sparsight.spec import build, override

GOOD, BINS = 0.6, 12


def summary(r2: Tensor, orientation: Tensor) -> dict[str, Any]:
    """Of filters of living features, [F]."""
    good = r2 > GOOD
    bins = torch.histc(orientation[good].rad2deg(), BINS, 0, 180)
    return {
        "gabors": round(float(good.double().mean()), 3),
        "r2": round(float(r2.nanmedian()), 3),
        "fewest": int(bins.min()),
        "bins": bins.int().tolist(),
    }


def of_filters(filters: Tensor, shape: tuple[int, ...]) -> dict[str, Any]:
    fit: GaborFit = fit_gabor(filters, shape)
    return summary(fit.r2, fit.orientation)


def of_model(sae: SAE, held_out: Source) -> dict[str, Any]:
    """By the survey of held-out patches."""
    atlas = survey(sae, held_out, fits=sae.n_latents)
    live = torch.from_numpy(atlas["rate"]) > 0
    return {
        of: summary(*(torch.from_numpy(atlas[f"{of}.gabor_{name}"])[live].double() for name in ("r2", "orientation")))
        for of in ("encoder", "decoder")
    } | {"silent": int((~live).sum())}


def trained(seed: int, changes: list[str], source: Source | None = None) -> Job:
    job = prepare(Recipe.parse(override(recipes.read("patches"), [f"seed={seed}", *changes])), source)
    job.trainer.fit(job.source)
    return job


def noise_like(job: Job) -> Source:
    """Normal numbers with the mean and the covariance of the patches that a job is trained on."""
    x = job.source.gather(torch.arange(len(job.source))).double()
    values, vectors = torch.linalg.eigh(torch.cov(x.T))
    dice = torch.randn(len(x), len(values), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    data = x.mean(0) + dice * values.clamp(min=0).sqrt() @ vectors.T
    return build("source", {"name": "arrays", "shape": list(job.source.schema.shape or ())}, data=data.float())


def components(job: Job) -> Tensor:
    """The principal components of patches less their mean, but for the last, along which they do not vary."""
    x = job.source.gather(torch.arange(len(job.source))).double()
    return torch.linalg.eigh(torch.cov((x - x.mean(1, keepdim=True)).T)).eigenvectors.T[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="a file of JSON lines")
    parser.add_argument("--threads", type=int)
    parser.add_argument("changes", nargs="*", help="of the recipe, such as architecture.k=12")
    asked = parser.parse_args()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    lines: list[str] = []

    def say(what: str, **figures: Any) -> None:
        lines.append(json.dumps({"what": what, **figures}))
        print(lines[-1], flush=True)

    for seed in range(asked.seeds):
        job = trained(seed, asked.changes)
        held_out = job.held_out or job.source
        quality = evaluate(job.sae, held_out)
        figures = {key: round(quality[key], 3) for key in ("explained_variance", "l0")}
        took = round(job.trainer.seconds, 1)
        say(f"seed {seed}", **of_model(job.sae, held_out), dead=job.trainer.n_dead, **figures, seconds=took)
    first = prepare(Recipe.parse(override(recipes.read("patches"), asked.changes)))
    shape = first.source.schema.shape
    assert shape is not None
    say("start", **{of: of_filters(w, shape) for of, w in first.sae.filters().items()})
    say("principal components", **of_filters(components(first), shape))
    say("white noise", **of_filters(white_noise(first.sae.n_latents, first.sae.n_inputs), shape))
    null = trained(0, asked.changes, noise_like(first))
    say("trained on noise", **of_model(null.sae, null.held_out or null.source), dead=null.trainer.n_dead)
    if asked.out:
        asked.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
