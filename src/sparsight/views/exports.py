"""Every picture and table of a run as files."""

import re

from sparsight.core import Atlas, Source
from sparsight.run import Run
from sparsight.views import features, figures, pictures, samples


def slug(title: str) -> str:
    """A title as the stem of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def every(run: Run, atlas: Atlas, measured: Source) -> dict[str, bytes]:
    """Files by name: pictures of filters and samples (PNG), charts (SVG), and the measures of all features (CSV)."""
    sae = run.sae()
    found = pictures.feature_pictures(run)
    chosen = samples.chosen(measured, samples.SAMPLES)
    if sae.schema.shape is not None and sae.schema.alike:
        made = samples.reconstructions(sae, measured, chosen)["picture"]
        built = samples.build_up(sae, measured, int(chosen[0]), samples.PARTS)["picture"]
        found |= {"reconstructions.png": pictures.png(made), "build-up.png": pictures.png(built)}
    titled = figures.training(run) | figures.population(run, atlas) | figures.gabors(atlas)
    titled |= figures.codes(sae, measured)
    found |= {f"{slug(title)}.svg": chart.encode() for title, chart in titled.items()}
    return {**found, "features.csv": features.as_csv(atlas).encode()}
