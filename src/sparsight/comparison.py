"""Runs beside each other and beside baselines, measured on held-out samples of one data set."""

import math
import time
import warnings
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsight.baselines._baseline import Baseline
from sparsight.core import SAE, Codes, Preprocess, Schema, Source, Step
from sparsight.errors import SparsightError
from sparsight.job import data_of
from sparsight.meters.probe import probe_error
from sparsight.meters.quality import Quality, measure_quality
from sparsight.meters.recovery import FOUND, best
from sparsight.meters.shape import moran, participation_ratio
from sparsight.run import Run
from sparsight.spec import build, describe, names

MEASURED = 10_000
"""Held-out samples that figures are measured on, at most, and labels that a probe learns from."""
NULLS = ("mean", "pca", "random")
"""What pages hold runs against."""
PROBED = 2**25
"""Codes that a probe holds at once, at most: many features have fewer labels to learn from."""


def compare(
    runs: Sequence[Run], *, source: Source | None = None, baselines: Collection[str] | None = None
) -> dict[str, Any]:
    """Runs, and dictionaries by other means with as many features and the L0 of the first run, as one record.

    Figures are measured on up to 10,000 held-out samples, in the units of the data. They are the same samples for all
    runs. Where the runs held out different ones, as those with different seeds do, they are the data set's own test
    samples; where it has none, each run is measured on what it held out itself, and the baselines on what the first
    did. Each row has

    - `name` and `kind`: `run`, `baseline` or `null`;
    - `explained_variance` and `l0` as in `meters.quality.Quality`;
    - `dead`: features at the end of training, None for what has no training steps; `silent`: features that never fired
      in the samples that were measured;
    - `probe_error` with `labels` labels, None where samples have none;
    - `found`: the share of true features that a row of the decoder has at a cosine of .9, None where nobody knows them;
    - `moran`, None where samples have no geometry, and `participation_ratio`: medians over the decoder's rows of
      features that fired;
    - `seconds` to train or fit.

    `notes` say what was left out, and where samples are not the same for all. Where the data cannot be had again, there
    are the figures of the runs' own summaries and no baselines.

    Args:
        runs: of the same data.
        source: the data, where they were given in memory.
        baselines: their names; None: all that are registered.

    Raises:
        SparsightError: there is no run, one has not ended, or they were trained on different data.
    """
    if not runs:
        raise SparsightError("there is nothing to compare: give at least one run")
    for run in runs:
        if run.summary is None:
            raise SparsightError(
                f"the run {str(run.path)!r} has not ended: `sparsight train --resume {run.path}` goes on"
            )
    try:
        parts, notes = _data(runs, source)
    except SparsightError as error:
        for run in runs[1:]:
            if _trained_on(run) != _trained_on(runs[0]):
                raise SparsightError(
                    f"{str(runs[0].path)!r} and {str(run.path)!r} were trained on different samples, and there is no "
                    "data set to be read that holds both: compare runs of the same data"
                ) from None
        return _remembered(runs, str(error))
    return beside(runs, parts, baselines, notes)


def beside(
    runs: Sequence[Run],
    parts: Sequence[tuple[Source, Source]],
    baselines: Collection[str] | None = None,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """What `compare` gives, where the samples are at hand.

    Args:
        runs: each has ended.
        parts: the samples that each was trained on, and those to measure it on, from `job.data_of`.
        baselines: their names; None: all that are registered. They get the samples of the first run.
        notes: what is to be said of the samples.
    """
    most = max(run.recipe["n_latents"] for run in runs)
    benches = {part: _Bench(*part, most) for part in dict.fromkeys(parts)}
    bench = benches[parts[0]]
    rows = [benches[part].run(run) for run, part in zip(runs, parts, strict=True)]
    n_latents, k = runs[0].recipe["n_latents"], max(1, round(rows[0]["l0"]))
    if parts[0][0].schema.n_targets is not None:
        baselines = ()
        bench.notes.append("baselines are left out: they rebuild their inputs, and here the targets are others")
    found = [bench.baseline(name, n_latents, k) for name in (names("baseline") if baselines is None else baselines)]
    rows += sorted((row for row in found if row is not None), key=lambda row: row["kind"] == "null")
    return {
        "measured_on": bench.measured_on,
        "labels": bench.n_labels,
        "n_latents": n_latents,
        "k": k,
        "rows": rows,
        "notes": [*notes, *bench.notes],
    }


def _trained_on(run: Run) -> str:
    """The fingerprint of the samples."""
    return run.manifest["data"]["sha256"]


def _data(runs: Sequence[Run], source: Source | None) -> tuple[list[tuple[Source, Source]], list[str]]:
    """The samples of each run, and what is to be said of them, from the first recipe whose source holds all."""
    asked = [run.recipe["source"] for run in runs]
    said = ""
    for n, run in enumerate(runs if source is None else runs[:1]):
        if asked[n] in asked[:n]:
            continue
        try:
            whole = run.source() if source is None else source
            return _parts(runs, whole)
        except SparsightError as error:
            said = said or str(error)
    raise SparsightError(said)


def _parts(runs: Sequence[Run], whole: Source) -> tuple[list[tuple[Source, Source]], list[str]]:
    """As `_data`, out of this data set."""
    found: dict[Any, tuple[Source, Source]] = {}
    kinds = []
    for run in runs:
        hold_out = run.recipe["train"]["hold_out"]
        kind = (_trained_on(run), hold_out, run.recipe["seed"] if hold_out else None)
        if kind not in found:
            found[kind] = data_of(run, whole)
        kinds.append(kind)
    parts = [found[kind] for kind in kinds]
    if len(found) == 1:
        return parts, []
    test = whole.test_part()
    if test is not None:
        said = "the runs held out different samples: all are measured on the data set's own test samples"
        return [(parts[0][0], test)] * len(runs), [said]
    said = "the runs held out different samples, and the data set has no test samples: each is measured on its own"
    seen = [str(run.path) for run, (training, measured) in zip(runs, parts, strict=True) if measured is training]
    return parts, [said, *(f"{name} held out none and is measured on its training samples" for name in seen)]


def _remembered(runs: Sequence[Run], why: str) -> dict[str, Any]:
    """The record from summaries alone."""
    rows = []
    for run in runs:
        summary = run.summary
        assert summary is not None
        quality, shapes = summary["quality"], summary["shapes"]
        rows.append(
            {
                "name": str(run.path),
                "kind": "run",
                **{name: quality[name] for name in ("explained_variance", "l0")},
                "dead": summary["dead"],
                "silent": quality["silent"],
                "probe_error": None,
                "found": summary["recovery"].get("found"),
                **{name: shapes[name].get("decoder") if shapes else None for name in ("moran", "participation_ratio")},
                "seconds": summary["seconds"],
            }
        )
    note = (
        f"the samples cannot be read again ({why}): these are the figures that each run measured at its end, in the "
        "units of its own model, and there are no baselines"
    )
    measured = runs[0].summary
    assert measured is not None
    return {
        "measured_on": measured["measured_on"],
        "labels": 0,
        "n_latents": runs[0].recipe["n_latents"],
        "k": None,
        "rows": rows,
        "notes": [note],
    }


class _Bench:
    """Samples to fit, to probe and to measure on, and how a row is made of them."""

    def __init__(self, training: Source, measured: Source, n_latents: int) -> None:
        self.training = training
        self.test = some(measured, MEASURED)
        self.measured_on = f"{len(self.test):,} {'training' if measured is training else 'held-out'} samples"
        self.schema: Schema = training.schema
        self.truth = training.truth()
        self.notes: list[str] = []
        known = labelled(training)
        self.judged = labelled(self.test)
        self.labelled = None
        if known is not None and self.judged is not None:
            self.labelled = some(known, min(MEASURED, max(1, PROBED // n_latents)))
        self.n_labels = 0 if self.labelled is None else len(self.labelled)

    @torch.no_grad()
    def run(self, run: Run) -> dict[str, Any]:
        """The row of a run."""
        sae, summary = run.sae(), run.summary
        assert summary is not None
        lost = [describe(part)["name"] for part in sae.preprocess if type(part).restore is not Preprocess.restore]
        if lost:
            said = f"what {' and '.join(lost)} took out of each sample is not in the codes, and counts as missed"
            self.notes += [said] * (said not in self.notes)
        atoms = sae.filters()["decoder"]
        quality = measure_quality(sae, self.test, raw=True)
        probe = self._probe(lambda raw: _codes(sae, raw))
        return self._row(str(run.path), "run", quality, atoms, probe, summary["dead"], summary["seconds"])

    def baseline(self, name: str, n_latents: int, k: int) -> dict[str, Any] | None:
        """The row of a baseline; None, with a note, where it cannot be fitted to such samples."""
        from sklearn.exceptions import ConvergenceWarning

        baseline: Baseline = build("baseline", name)
        part = some(self.training, baseline.samples)
        x = part.gather(torch.arange(len(part))).double()
        refused = baseline.refuses(x)
        if refused is not None:
            self.notes.append(f"{name} is left out: {refused}")
            return None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", ConvergenceWarning)
            start = time.perf_counter()
            baseline.fit(x, n_latents)
            seconds = time.perf_counter() - start
        if len(part) < len(self.training):
            self.notes.append(f"{name} is fitted to {len(part):,} of {len(self.training):,} samples")
        if caught:
            self.notes.append(f"{name} stopped at its last iteration, before it converged")
        quality = Quality()
        for batch in self.test.chunks():
            raw = batch.inputs.double()
            codes = baseline.encode(raw, k)
            recon = baseline.decode(codes)
            quality.update(Step(raw, raw, Codes(codes, codes.shape[1]), recon, recon, weight=batch.weight))
        probe = self._probe(lambda raw: baseline.encode(raw.double(), k))
        return self._row(name, "null" if baseline.null else "baseline", quality, baseline.atoms, probe, None, seconds)

    def _probe(self, encode: Callable[[Tensor], Tensor]) -> float | None:
        if self.labelled is None or self.judged is None:
            return None
        codes, labels = [], []
        for part in (self.labelled, self.judged):
            found = part.labels()
            assert found is not None
            codes.append(torch.cat([encode(batch.inputs) for batch in part.chunks()]))
            labels.append(found)
        return probe_error(codes[0], labels[0], codes[1], labels[1])

    def _row(
        self,
        name: str,
        kind: str,
        quality: Quality,
        atoms: Tensor,
        probe: float | None,
        dead: int | None,
        seconds: float,
    ) -> dict[str, Any]:
        result, shape = quality.result(), self.schema.shape if self.schema.alike else None
        live = atoms[quality.rate > 0].double()
        return {
            "name": name,
            "kind": kind,
            "explained_variance": _finite(result["explained_variance"]),
            "l0": result["l0"],
            "dead": dead,
            "silent": int(result["silent"]),
            "probe_error": probe,
            "found": None if self.truth is None else float((best(self.truth, atoms)[0] >= FOUND).double().mean()),
            "moran": None if shape is None else _median(moran(live, shape)),
            "participation_ratio": _median(participation_ratio(live)),
            "seconds": seconds,
        }


def some(source: Source, n: int) -> Source:
    """Up to n samples of a source, always the same, in its order."""
    if len(source) <= n:
        return source
    return source.take(torch.from_numpy(np.sort(np.random.default_rng(0).permutation(len(source))[:n])))


def labelled(source: Source) -> Source | None:
    """The samples that have a label; None: there are none."""
    labels = source.labels()
    if labels is None or (labels < 0).all():
        return None
    return source if (labels >= 0).all() else source.take((labels >= 0).nonzero().squeeze(1))


def _codes(sae: SAE, raw: Tensor) -> Tensor:
    return sae.transform(raw.to(sae.b_dec)).dense()


def _median(values: Tensor) -> float | None:
    return _finite(float(values.nanmedian())) if len(values) else None


def _finite(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None
