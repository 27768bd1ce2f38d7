"""Make the pictures of README and docs: `make figures`."""

from pathlib import Path
from tempfile import TemporaryDirectory

from examples import question
from sparsight.core import Source
from sparsight.spec import build
from sparsight.views.pictures import grid, png, side_by_side

OUT = Path(__file__).parents[1] / "docs" / "figures"
SHOWN = 100


def main() -> None:
    """The four panels of the question, and the encoders and the decoders of its three recipes."""
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


if __name__ == "__main__":
    main()
