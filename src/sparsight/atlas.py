"""The survey: one pass over samples, and a look at the weights, for facts about every feature."""

import math
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor
from torch.nn import functional

from sparsight.core import SAE, Atlas, Codes, Column, Cost, Source, generator
from sparsight.core.sampling import spread
from sparsight.errors import SparsightError
from sparsight.meters import shape as looks
from sparsight.meters.dead import CAUSES, causes
from sparsight.meters.examples import Kept
from sparsight.meters.gabor import fit_gabor
from sparsight.meters.information import Information
from sparsight.meters.labels import Labels
from sparsight.meters.moments import Moments, precise
from sparsight.meters.neighbours import NOTHING, nearest, roughly_nearest

BINS, PER_OCTAVE, LOWEST = 48, 2, -12
"""Histograms of |codes|: 48 bins of half an octave from 2⁻¹² on; the first and the last take what lies beyond."""
TOGETHER = 16_384
"""Samples, spread evenly over the source, from which co-activation is read."""
EXACT = 65_536
"""Features up to which each is compared with all others."""
_PURPOSE = 7
_NULLS, _FITTED_NULLS = 200, 24
"""Filters of white noise whose medians are the nulls: of what is cheap, and of what is fitted."""
BLOCK = 8192
"""Filters that are measured at once."""
CONSTANT = 0.05
"""Pixels with less than this share of the largest standard deviation are constant."""

PLAIN: dict[str, Callable[[Tensor], Tensor]] = {
    "participation_ratio": looks.participation_ratio,
    "hoyer": looks.hoyer,
    "gini": looks.gini,
}
"""Measures of any filters."""
PICTURED: dict[str, Callable[..., Tensor]] = {
    "moran": looks.moran,
    "rms_radius": looks.rms_radius,
    "elongation": looks.elongation,
    "total_variation": looks.total_variation,
    "low_frequency_share": looks.low_frequency_share,
}
"""Measures of filters that are pictures."""


def edges() -> np.ndarray:
    """The borders of the histogram's bins, [BINS + 1]."""
    return 2.0 ** (LOWEST + np.arange(BINS + 1) / PER_OCTAVE)


@torch.no_grad()
def survey(
    sae: SAE, source: Source, *, examples: int = 16, neighbours: int = 8, fits: int = 256, seed: int = 0
) -> Atlas:
    """Measure every feature on samples that the model was not trained on.

    Args:
        sae: the model.
        source: the samples. They are read once, and in memory are never more than a chunk and a bounded part.
        examples: top examples per feature, and twice as many drawn at random from all samples in which it fires.
        neighbours: features that are listed as nearest to each.
        fits: encoder filters, and as many decoder rows, that are fitted with Gabor functions, spread evenly over
            the features. A fit takes some hundredths of a second.
        seed: of the random examples.

    Raises:
        SparsightError: the samples do not fit the model.
    """
    if source.schema.n_inputs != sae.n_inputs:
        raise SparsightError(
            f"samples of {source.schema.n_inputs} inputs do not fit a model of {sae.n_inputs}: give the data that it "
            "was made for"
        )
    pass_ = _Pass(sae, source, examples, seed)
    training = sae.training
    sae.eval()
    for batch in source.chunks():
        inputs = batch.inputs.to(sae.b_dec)
        x = sae.preprocess(inputs)
        pass_.update(batch.ids, sae.encode(x).cpu(), inputs.cpu(), batch.weight)
        pass_.look_at_silent(sae, x, batch.weight)
    sae.train(training)
    labels, words = pass_.in_words()
    columns = [*pass_.columns(sae), *labels, *pass_.together(neighbours)]
    columns += _filters(sae, pass_.inputs, neighbours, fits)
    samples = {"n": len(source), "sha256": source.fingerprint(), "classes": source.schema.classes, "words": words}
    return Atlas({column.name: column for column in columns}, pass_.figures(), samples)


class _Pass:
    """What streams."""

    def __init__(self, sae: SAE, source: Source, examples: int, seed: int) -> None:
        self.n, self.features, self.seed = len(source), sae.n_latents, seed
        self.weight = 0.0
        self.fired = torch.zeros(self.features, dtype=torch.float64)
        self.sums, self.squares = torch.zeros_like(self.fired), torch.zeros_like(self.fired)
        self.positive = torch.zeros(self.features, dtype=torch.bool)
        self.histogram = torch.zeros(self.features * BINS, dtype=torch.long)
        self.top = Kept(self.features, examples)
        self.drawn = Kept(self.features, 2 * examples)
        self.labels = source.labels()
        self.classes = source.schema.classes if self.labels is not None else None
        if self.classes:
            self.by_class = torch.zeros(self.features * len(self.classes), dtype=torch.float64)
            self.of_class = torch.zeros(len(self.classes), dtype=torch.float64)
            self.information = Information(len(self.classes))
        self.words = source.words()
        asked = {
            "class": None if self.labels is None or not self.classes else (self.labels, self.classes),
            "label": self.words,
        }
        self.said = {
            of: Labels(self.features, _counted(pair[0], source.weights()), len(pair[1]), source.groups(), seed=seed)
            for of, pair in asked.items()
            if pair is not None
        }
        self.population = 0.0
        self.l0 = 0.0
        self.inputs = Moments(sae.n_inputs)
        self.stride = -(-self.n // TOGETHER)
        self.kept: list[sparse.csr_array] = []

    def update(self, ids: Tensor, codes: Codes, inputs: Tensor, weight: Tensor | None) -> None:
        self.inputs.update(inputs, ids, weight)
        rows, features, values = _entries(codes)
        w = torch.ones(len(ids), dtype=torch.float64) if weight is None else precise(weight)
        if weight is not None:
            some = w[rows] > 0
            rows, features, values = rows[some], features[some], values[some]
        exact, each = values.double(), w[rows]
        self.weight += float(w.sum())
        self.fired += torch.bincount(features, each, self.features)
        self.sums += torch.bincount(features, each * exact, self.features)
        self.squares += torch.bincount(features, each * exact * exact, self.features)
        bins = (PER_OCTAVE * (values.abs().log2() - LOWEST)).floor().clamp(0, BINS - 1).long()
        self.histogram += torch.bincount(features * BINS + bins, minlength=len(self.histogram))
        keys = torch.rand(len(values), generator=generator(self.seed, _PURPOSE, int(ids[0])))
        samples = ids[rows]
        self.top.update(features, samples, values, values)
        self.drawn.update(features, samples, values, keys)
        for labels in self.said.values():
            labels.update(features, samples, values, keys)
        self._population(rows, exact, w)
        if self.classes and self.labels is not None:
            label = self.labels[ids]
            self.information.update(codes, label, weight)
            named = (label >= 0)[rows]
            place = features[named] * len(self.classes) + label[rows[named]]
            self.by_class += torch.bincount(place, (each * exact.abs())[named], len(self.by_class))
            self.of_class += torch.bincount(label[label >= 0], w[label >= 0], len(self.classes))
        chosen = (ids % self.stride == 0).nonzero().squeeze(1)
        if len(chosen):
            shape = (len(ids), self.features)
            table = sparse.csr_array((values.numpy(), (rows.numpy(), features.numpy())), shape=shape)
            self.kept.append(table[chosen.numpy()])

    def look_at_silent(self, sae: SAE, x: Tensor, weight: Tensor | None) -> None:
        """Whether features that have not fired yet had a positive pre-activation."""
        silent = (self.fired == 0).nonzero().squeeze(1)
        if len(silent):
            x = x if weight is None else x[(weight > 0).to(x.device)]
            self.positive[silent] |= (sae.pre(x, silent.to(x.device)) > 0).any(0).cpu()

    def _population(self, rows: Tensor, values: Tensor, w: Tensor) -> None:
        """Treves-Rolls sparsity over the features of each sample, and the number that fire."""
        n = self.features
        size, total = (torch.bincount(rows, v, len(w)) for v in (values * values, values.abs()))
        spread = 1 - (total / n).square() / (size / n)
        self.population += float(
            w @ torch.where(size > 0, spread / (1 - 1 / n) if n > 1 else torch.zeros_like(size), 1.0)
        )
        self.l0 += float(w @ torch.bincount(rows, minlength=len(w)).double())

    def columns(self, sae: SAE) -> list[Column]:
        mean, square = self.sums / self.weight, self.squares / self.weight
        n = max(2, self.n)
        lifetime = torch.where(square > 0, (1 - mean.square() / square) / (1 - 1 / n), torch.nan)
        order = self.drawn.values.argsort(dim=1, descending=True, stable=True)
        columns = {
            "rate": (self.fired / self.weight, "share of samples in which the code is not 0", None),
            "mean": (mean, "E_b[ codes_bj ]", None),
            "mean_firing": (self.sums / self.fired, "E_b[ codes_bj ] over samples in which it fires", None),
            "death": (
                causes(self.fired > 0, self.positive, sae.W_dec.cpu()),
                "why it never fires: " + ", ".join(f"{number} {cause}" for number, cause in enumerate(CAUSES)),
                None,
            ),
            "max": (self.top.values[:, 0], "max_b codes_bj", None),
            "lifetime_sparsity": (
                lifetime,
                "(1 − (E r)² / E r²) / (1 − 1/n) over samples (Vinje & Gallant 2000)",
                0.0,
            ),
            "histogram": (self.histogram.view(-1, BINS).int(), "samples in each bin of |codes|; see edges()", None),
            "top_ids": (self.top.ids, "samples with the largest codes", None),
            "top_values": (self.top.values, "their codes", None),
            "random_ids": (self.drawn.ids.gather(1, order), "a uniform draw of those in which it fires", None),
            "random_values": (self.drawn.values.gather(1, order), "their codes, descending", None),
        }
        if self.classes and self.of_class.sum():
            profile = self.by_class.view(self.features, -1) / self.of_class
            share = profile / profile.sum(1, keepdim=True)
            columns["class_mean"] = (profile, "E[ |codes_bj| ] in each class", None)
            purity = share.nan_to_num(-1).amax(1)
            purity[purity < 0] = torch.nan
            columns["purity"] = (purity, "the largest share of a class in class_mean", 1 / len(self.classes))
            bits, chance = self.information.bits, self.information.null
            columns["information"] = (bits, "bits that its firing, yes or no, has on the class", chance)
        return [
            _column(name, values, "streamed", about, null, self.n) for name, (values, about, null) in columns.items()
        ]

    def together(self, n: int) -> list[Column]:
        """The features that come and go with each: Pearson's correlation of codes."""
        if self.features > EXACT or self.features < 2:
            return []
        codes: Any = sparse.vstack(self.kept, format="csr", dtype=np.float64)
        count = codes.shape[0]
        mean = np.asarray(codes.mean(0)).ravel()
        deviation = np.sqrt(np.maximum(np.asarray(codes.multiply(codes).mean(0)).ravel() - mean**2, 0))
        flipped = codes.T.tocsr()

        def correlation(rows: slice) -> Tensor:
            joint = (flipped[rows] @ codes).toarray() / count - mean[rows, None] * mean
            with np.errstate(divide="ignore", invalid="ignore"):
                found = joint / (deviation[rows, None] * deviation)
            return torch.from_numpy(np.where(np.isfinite(found), found, -np.inf))

        ids, values = nearest(self.features, n, correlation)
        about = "features whose codes correlate most, descending"
        return [
            _column("together_ids", ids, "sampled", about, None, count),
            _column("together", values, "sampled", "Pearson's correlation with them", 0.0, count),
        ]

    def in_words(self) -> tuple[list[Column], list[str] | None]:
        """What features fire at in words and in classes; and the words that are meant, None where samples are none."""
        columns = [column for of, meter in self.said.items() for column in _labels(of, meter, self.n)]
        if self.words is None:
            return columns, None
        ids, shares = self.said["label"].activity()
        columns.append(_column("word_ids", ids, "sampled", "words that most of its activity goes to", None, self.n))
        about = "Σ_b∈word |codes_bj| / Σ_b |codes_bj|, of samples in which it fires"
        columns.append(_column("word_shares", shares, "sampled", about, None, self.n))
        # of a vocabulary only what some feature needs
        meant = [n for n, column in enumerate(columns) if column.name in ("label_ids", "word_ids")]
        used = np.unique(np.concatenate([columns[n].values.ravel() for n in meant]))
        used = used[used >= 0]
        for n in meant:
            values = columns[n].values
            columns[n] = replace(columns[n], values=np.where(values >= 0, np.searchsorted(used, values), NOTHING))
        return columns, [self.words[1][word] for word in used.tolist()]

    def figures(self) -> dict[str, float]:
        return {"l0": self.l0 / self.weight, "population_sparsity": self.population / self.weight}


def _counted(numbers: Tensor, weight: Tensor | None) -> Tensor:
    """Numbers of samples with −1 for those of weight 0."""
    return numbers if weight is None else torch.where(weight > 0, numbers, NOTHING)


def _labels(of: str, meter: Labels, n: int) -> list[Column]:
    """A label for each feature, and how well it tells where it fires."""
    found, what, those = meter.labelled(), *(("word", "words") if of == "label" else ("class", "classes"))
    chosen = f"{those} that tell where it fires (Monroe et al. 2008), chosen on half of the samples"
    score = (
        f"φ of firing with its {what} being in {of}_ids, on the other half; 95 % of chance is below {found.high:.2g}"
    )
    figures = (
        ("ids", found.words, chosen, None),
        ("score", found.score, score, found.null),
        ("precision", found.precision, f"P(it fires | its {what} is in {of}_ids), there", None),
        ("recall", found.recall, f"P(its {what} is in {of}_ids | it fires), there", None),
    )
    return [_column(f"{of}_{name}", values, "sampled", about, null, n) for name, values, about, null in figures]


def _entries(codes: Codes) -> tuple[Tensor, Tensor, Tensor]:
    """Sample, feature and value of every code that is not 0, [nnz] each."""
    if codes.is_dense:
        rows, features = codes.values.nonzero(as_tuple=True)
        return rows, features, codes.values[rows, features]
    values, index, _ = codes.sparse()
    fires = values != 0
    return codes.rows()[fires], index[fires], values[fires]


def _filters(sae: SAE, inputs: Moments, neighbours: int, fits: int) -> list[Column]:
    """Measures of the weights, in the units of the data."""
    features = sae.n_latents
    deviation = inputs.variance.sqrt()
    varies = partial(looks.dead_input_energy, std=deviation / deviation.max(), below=CONSTANT)
    pictured = sae.filters_of_inputs()
    fitted_null = math.nan
    if sae.schema.shape is not None and fits:
        noise = looks.white_noise(min(_FITTED_NULLS, features), sae.n_inputs)
        fitted_null = float(fit_gabor(noise, sae.schema.shape).r2.nanmedian())
    columns = []
    for of, filters in sae.filters().items():
        shape = sae.schema.shape if of in pictured else None
        noise = looks.white_noise(min(_NULLS, features), filters.shape[1])
        measures: dict[str, Callable[..., Tensor]] = dict(PLAIN)
        if shape is not None:
            measures["constant_energy"] = varies
            measures |= {name: partial(measure, shape=shape) for name, measure in PICTURED.items()}
        norm = precise(filters).norm(dim=1)
        columns.append(_column(f"{of}.norm", norm, "weights", "‖w‖ in units of the data", None, features))
        if sae.schema.sites:
            norms = torch.stack([precise(part).norm(dim=1) for part in sae.schema.at_sites(filters).values()], 1)
            about = f"‖w^s‖ in units of the data at {', '.join(sae.schema.sites)}"
            columns.append(_column(f"{of}.site_norms", norms, "weights", about, None, features))
        for name, measure in measures.items():
            values = torch.cat([measure(block) for block in filters.split(BLOCK)])
            null = float(measure(noise).nanmedian())
            columns.append(_column(f"{of}.{name}", values, "weights", _formula(measure), null, features))
        if shape is not None and fits:
            columns += _gabors(of, filters, shape, fits, fitted_null)
        if features > 1:
            columns += _alike(of, filters, noise, neighbours)
    return columns


def _alike(of: str, filters: Tensor, noise: Tensor, n: int) -> list[Column]:
    """The nearest others by cosine, and the largest |cosine| to any."""
    unit = functional.normalize(filters, dim=1)
    features = len(unit)
    about = "the features with the largest cos(w_j, w_k), descending"
    if features > EXACT:
        ids, values, recall = roughly_nearest(unit, n)
        about += f"; approximate, with {recall:.0%} of the true ones"
    else:
        ids, values = nearest(features, n, lambda rows: unit[rows] @ unit.T)
    columns = [
        _column(f"{of}.neighbour_ids", ids, "weights", about, None, features),
        _column(f"{of}.neighbour_cosine", values, "weights", "cos(w_j, w_k) with them", None, features),
    ]
    if features <= EXACT:
        measure = looks.max_cosine
        null = float(measure(noise).nanmedian())
        columns.append(_column(f"{of}.max_cosine", measure(filters), "weights", _formula(measure), null, features))
    return columns


def _gabors(of: str, filters: Tensor, shape: tuple[int, ...], fits: int, null: float) -> list[Column]:
    """Gabor functions fitted to filters, spread evenly where there are more than `fits`; NaN for the others."""
    chosen = spread(len(filters), fits)
    fit = fit_gabor(filters[chosen], shape)
    columns = []
    for name in (field.name for field in fields(fit)):
        values = torch.full((len(filters),), torch.nan, dtype=torch.float64)
        values[chosen] = getattr(fit, name)
        about = f"{name} of the best Gabor function (Jones & Palmer 1987)"
        at = null if name == "r2" else None
        columns.append(_column(f"{of}.gabor_{name}", values, "fitted", about, at, len(chosen)))
    return columns


def _formula(measure: Callable[..., Tensor]) -> str:
    """The first sentence of a measure's docstring, which says its formula."""
    described = measure.func if isinstance(measure, partial) else measure
    return (described.__doc__ or "").split("\n")[0].replace(", [F]", "").rstrip(".")


def _column(name: str, values: Tensor, cost: Cost, about: str, null: float | None, seen: int) -> Column:
    array = values.detach().cpu().numpy()
    array = array.astype(np.float32) if array.dtype == np.float64 else array
    null = None if null is None or not math.isfinite(null) else null
    return Column(name=name, values=array, cost=cost, about=about, null=null, seen=seen)
