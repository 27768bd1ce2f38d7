"""Pictures for notebooks, by Matplotlib: `pip install 'sparsight[plot]'`."""

from typing import Any, Literal

import numpy as np

from sparsight.core.sampling import spread
from sparsight.errors import SparsightError
from sparsight.job import data_of
from sparsight.run import Run
from sparsight.views import features, pictures, samples


def plot_features(run: Run, of: Literal["encoder", "decoder", "null"] = "decoder", *, most: int = 400) -> Any:
    """A grid of up to `most` filters, evenly spread, each by its own largest |w|, with mid-grey at 0.

    Returns:
        The Matplotlib axes.

    Raises:
        SparsightError: samples of this run are no pictures, or its targets are others than its inputs.
    """
    sae = run.sae()
    shape = sae.schema.shape
    if shape is None:
        raise SparsightError("the samples of this run have no shape, so its filters are no pictures")
    if of == "decoder" and not sae.schema.alike:
        raise SparsightError("the targets of this run have another shape than its inputs: plot of='encoder'")
    shown = features.filters(sae, spread(sae.n_latents, most).numpy())[of]
    return _picture(pictures.grid(shown, shape, zoom=1), f"{of} of {run.path.name}")


def plot_reconstructions(run: Run, n: int = 10, *, source: Any = None) -> Any:
    """Samples that were not trained on, what the model makes of them, and the difference.

    Args:
        run: it has ended.
        n: samples.
        source: the data, where the run was trained on data in memory.

    Raises:
        SparsightError: the data cannot be read, or samples are no pictures.
    """
    _, measured = data_of(run, source)
    picture = samples.reconstructions(run.sae(), measured, samples.chosen(measured, n))
    if picture is None:
        unlike = "targets of this run are unlike its inputs"
        what = "samples of this run have no shape" if measured.schema.alike else unlike
        raise SparsightError(f"the {what}, so there are no pictures of them")
    return _picture(picture, f"samples, reconstructions and differences of {run.path.name}")


def plot_curves(run: Run) -> Any:
    """Each term of the loss alone, weight × value, over epochs.

    Raises:
        SparsightError: nothing was logged yet.
    """
    log = run.log()
    if not log:
        raise SparsightError(f"the run {run.path.name!r} has logged nothing yet")
    epochs = [line.epoch for line in log]
    axes = _axes()
    for name in log[-1].terms:
        losses = [line.terms[name]["loss"] for line in log]
        if any(losses):
            axes.plot(epochs, losses, label=name)
    axes.set(xlabel="epoch", ylabel="weight × value", yscale="log", title=run.path.name)
    axes.legend()
    return axes


def _picture(pixels: np.ndarray, title: str) -> Any:
    axes = _axes()
    axes.imshow(pixels, interpolation="nearest")
    axes.set_title(title)
    axes.axis("off")
    return axes


def _axes() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError:
        raise SparsightError("pictures for notebooks need Matplotlib: pip install 'sparsight[plot]'") from None
    return pyplot.subplots(layout="constrained")[1]
