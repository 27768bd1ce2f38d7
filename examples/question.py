"""Why the filters are noise, in four panels of the same digits: `python examples/question.py`.

A program (TensorFlow 1) trains 200 sigmoid units on MNIST with a sparsity cost and expects pen strokes. The panels are
that program as it stands, its cost with Adam, the cost that it meant (UFLDL's), and the recipe `strokes`. Figures are
of test digits; the probe is a logistic regression from codes to labels, with up to 10,000 training digits.
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from sparsight import Recipe, Run, recipes, train
from sparsight.core import SAE, Source
from sparsight.meters.probe import probe_error
from sparsight.sources import open_source
from sparsight.spec import build
from sparsight.views.pictures import GAP, captioned, grid, png, sheet

RECIPES = {
    "question": ("2. Its cost with Adam (recipe question): noise", ["Changed: Adam with a rate of .001."]),
    "ufldl": (
        "3. The cost of UFLDL (recipe ufldl): strokes and parts of digits",
        ["Changed: KL of each unit's mean activity, 7,680 times the weight;", "weight decay; sigmoid output; L-BFGS."],
    ),
    "strokes": (
        "4. The recipe strokes: local pen strokes",
        [
            "Changed: the 28 largest codes of a digit are kept, with no KL;",
            "smooth and sparse filters that start at digits; Adam.",
        ],
    ),
}
PROBED = 10_000
COLUMNS, ROWS = 7, 5
TEXT = 25


def program(x: Tensor, seed: int = 0) -> tuple[list[Tensor], str]:
    """The program's own arithmetic, until its weights are no longer numbers, which takes three steps.

    cost = ½ Σ_b,i (x̂ − x)² + 10 · mean_b,j KL(.1 ‖ h_bj), and gradient descent on it with a rate of .01.

    Args:
        x: digits, [N, 784].
        seed: of the start, the blocks and the noise.

    Returns:
        The encoder after each step that left numbers, [200, 784] each, and what happened then.
    """
    dice = torch.Generator().manual_seed(seed)
    n_inputs, n_hidden, batch_size, scale, p = x.shape[1], 200, 128, 0.01, torch.tensor(0.1)
    high = math.sqrt(6 / (n_inputs + n_hidden))
    w1 = (2 * torch.rand(n_inputs, n_hidden, generator=dice) - 1) * high
    b1, w2, b2 = torch.zeros(n_hidden), torch.zeros(n_hidden, n_inputs), torch.zeros(n_inputs)
    weights = [w.requires_grad_() for w in (w1, b1, w2, b2)]
    optimizer = torch.optim.SGD(weights, lr=0.01)
    encoders = []
    while True:
        start = int(torch.randint(len(x) - batch_size, (), generator=dice))
        batch = x[start : start + batch_size]
        hidden = torch.sigmoid((batch + scale * torch.randn(n_inputs, generator=dice)) @ w1 + b1)
        reconstruction = hidden @ w2 + b2
        kl = p * p.log() - p * hidden.log() + (1 - p) * (1 - p).log() - (1 - p) * (1 - hidden).log()
        cost = 0.5 * (reconstruction - batch).pow(2).sum() + 10 * kl.mean()
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
        if not all(w.isfinite().all() for w in weights):
            zero = (hidden == 0).double().mean()
            step = len(encoders) + 1
            return encoders, f"Step {step}: {zero:.0%} of the codes are 0, log 0 is in the cost, the weights are NaN."
        encoders.append(w1.detach().T.clone())


def trained(source: Source, folder: Path, epochs: float | None = None) -> dict[str, Run]:
    """A run of each recipe; `epochs` are passes over the data, in place of the recipes' own."""
    runs = {}
    for name in RECIPES:
        recipe = Recipe.parse(recipes.read(name))
        if epochs is not None:
            recipe = recipe.model_copy(update={"train": recipe.train.model_copy(update={"epochs": epochs})})
        runs[name] = train(recipe, folder / name, source)
    return runs


def codes(sae: SAE, source: Source) -> Tensor:
    """Codes of all samples, [N, F]."""
    with torch.no_grad():
        return torch.cat([sae.transform(batch.inputs).dense() for batch in source.chunks()])


def labels(source: Source) -> Tensor:
    """Labels of all samples, [N]."""
    found = source.labels()
    assert found is not None
    return found


def probe(sae: SAE, source: Source) -> float:
    """The share of test digits that a linear probe of the codes gets wrong."""
    known, test = source.take(torch.arange(min(PROBED, len(source)))), source.test_part()
    assert test is not None
    return probe_error(codes(sae, known), labels(known), codes(sae, test), labels(test))


def panel(title: str, halves: dict[str, Tensor], shape: tuple[int, ...], lines: Sequence[str]) -> np.ndarray:
    """Two grids of the first filters side by side, each under its caption, with a title and lines of text."""
    shown = [
        captioned(grid(filters[: COLUMNS * ROWS], shape, columns=COLUMNS), above=[caption], size=TEXT)
        for caption, filters in halves.items()
    ]
    return captioned(sheet(shown, columns=2), above=[title], below=lines, size=TEXT)


def panels(source: Source, runs: dict[str, Run]) -> np.ndarray:
    """The whole picture."""
    shape = source.schema.shape
    assert shape is not None
    encoders, end = program(torch.cat([batch.inputs for batch in source.chunks()]))
    halves = {"encoder after step 1": encoders[0], f"after step {len(encoders)}": encoders[-1]}
    lines = [end, "Gradient descent with a rate of .01 on a cost that is a sum over 128 digits."]
    made = [panel("1. The program as it stands: NaN", halves, shape, lines)]
    for name, (title, changed) in RECIPES.items():
        run = runs[name]
        sae, summary = run.sae(), run.summary
        assert summary is not None
        moran = summary["shapes"]["moran"]
        explained, error = summary["quality"]["explained_variance"], probe(sae, source)
        halves = {
            f"encoder, Moran's I {moran['encoder']:.2f}": sae.preprocess.filters_in_raw_units(sae.W_enc),
            f"decoder, Moran's I {moran['decoder']:.2f}": sae.preprocess.rows_in_raw_units(sae.W_dec),
        }
        lines = [f"Explained variance {explained:.3f}. Probe error {error:.1%}.", *changed]
        made.append(panel(title, halves, shape, lines))
        print(f"{name:9} explained variance {explained:.3f}, probe error {error:.1%}, Moran's I", moran)
    return sheet(made, columns=2, gap=3 * GAP, margin=GAP)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mnist", metavar="FOLDER", help="MNIST's four files, in place of the digits that come along")
    parser.add_argument("--epochs", type=float, help="passes over the data, in place of the recipes' own")
    parser.add_argument("--out", type=Path, default=Path("question.png"))
    asked = parser.parse_args(arguments)
    source: Source = build("source", open_source(asked.mnist or "digits"))
    with TemporaryDirectory() as folder:
        runs = trained(source, Path(folder), asked.epochs)
        asked.out.write_bytes(png(panels(source, runs)))


if __name__ == "__main__":
    main()
