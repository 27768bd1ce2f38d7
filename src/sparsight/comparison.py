"""Runs beside each other and beside baselines, all measured on the same held-out samples."""

import math
import time
import warnings
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsight.baselines._baseline import Baseline
from sparsight.core import SAE, Codes, Schema, Source, Step
from sparsight.errors import SparsightError
from sparsight.job import Recipe, read_data
from sparsight.meters.probe import probe_error
from sparsight.meters.quality import Quality, measure_quality
from sparsight.meters.shape import moran, participation_ratio
from sparsight.run import Run
from sparsight.spec import build, names

MEASURED = 10_000
"""Held-out samples that figures are measured on, at most, and labels that a probe learns from."""
PROBED = 2**25
"""Codes that a probe holds at once, at most: many features have fewer labels to learn from."""


def compare(
    runs: Sequence[Run], *, source: Source | None = None, baselines: Collection[str] | None = None
) -> dict[str, Any]:
    """Runs, and dictionaries by other means with as many features and the L0 of the first run, as one record.

    Figures are measured on up to 10,000 held-out samples, the same for all, in the units of the data. Each row has

    - `name` and `kind`: `run`, `baseline` or `null`;
    - `explained_variance` and `l0` as in `meters.quality.Quality`;
    - `dead`: features at the end of training, None for what has no training steps; `silent`: features that never fired
      in the samples that were measured;
    - `probe_error` with `labels` labels, None where samples have none;
    - `moran`, None where samples have no geometry, and `participation_ratio`: medians over the decoder's rows of
      features that fired;
    - `seconds` to train or fit.

    `notes` say what was left out. Where the data cannot be had again, there are the figures of the runs' own summaries
    and no baselines.

    Args:
        runs: of the same samples.
        source: the samples, where they were given in memory.
        baselines: their names; None: all that are registered.

    Raises:
        SparsightError: there is no run, one has not ended, or they were trained on different samples.
    """
    if not runs:
        raise SparsightError("there is nothing to compare: give at least one run")
    first = runs[0].manifest["data"]["sha256"]
    for run in runs:
        if run.manifest["data"]["sha256"] != first:
            raise SparsightError(
                f"{str(runs[0].path)!r} and {str(run.path)!r} were trained on different samples (the data, "
                "train.hold_out, or its seed differ): compare runs that share them"
            )
        if run.summary is None:
            raise SparsightError(
                f"the run {str(run.path)!r} has not ended: `sparsight train --resume {run.path}` goes on"
            )
    try:
        training, held_out = _data(runs, source)
    except SparsightError as error:
        return _remembered(runs, str(error))
    bench = _Bench(training, held_out, max(run.recipe["n_latents"] for run in runs))
    rows = [bench.run(run) for run in runs]
    n_latents, k = runs[0].recipe["n_latents"], max(1, round(rows[0]["l0"]))
    if training.schema.n_targets is not None:
        baselines = ()
        bench.notes.append("baselines are left out: they rebuild their inputs, and here the targets are others")
    found = [bench.baseline(name, n_latents, k) for name in (names("baseline") if baselines is None else baselines)]
    rows += sorted((row for row in found if row is not None), key=lambda row: row["kind"] == "null")
    return {
        "measured_on": f"{len(bench.test):,} {'held-out' if held_out is not None else 'training'} samples",
        "labels": bench.n_labels,
        "n_latents": n_latents,
        "k": k,
        "rows": rows,
        "notes": bench.notes,
    }


def _data(runs: Sequence[Run], source: Source | None) -> tuple[Source, Source | None]:
    """The samples of all runs, from the first recipe that names a source which still holds them."""
    said = ""
    for run in runs:
        try:
            training, held_out = read_data(Recipe.parse(run.recipe), source)
        except SparsightError as error:
            said = said or str(error)
            continue
        if training.fingerprint() == run.manifest["data"]["sha256"]:
            return training, held_out
        said = "the recipe's source does not hold them"
    raise SparsightError(said)


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

    def __init__(self, training: Source, held_out: Source | None, n_latents: int) -> None:
        self.training = training
        self.test = _some(held_out or training, MEASURED)
        self.schema: Schema = training.schema
        self.notes: list[str] = []
        known = _labelled(training)
        self.judged = _labelled(self.test)
        self.labelled = None
        if known is not None and self.judged is not None:
            self.labelled = _some(known, min(MEASURED, max(1, PROBED // n_latents)))
        self.n_labels = 0 if self.labelled is None else len(self.labelled)

    @torch.no_grad()
    def run(self, run: Run) -> dict[str, Any]:
        """The row of a run."""
        sae, summary = run.sae(), run.summary
        assert summary is not None
        atoms = sae.filters()["decoder"]
        quality = measure_quality(sae, self.test, raw=True)
        probe = self._probe(lambda raw: _codes(sae, raw))
        return self._row(str(run.path), "run", quality, atoms, probe, summary["dead"], summary["seconds"])

    def baseline(self, name: str, n_latents: int, k: int) -> dict[str, Any] | None:
        """The row of a baseline; None, with a note, where it cannot be fitted to such samples."""
        from sklearn.exceptions import ConvergenceWarning

        baseline: Baseline = build("baseline", name)
        part = _some(self.training, baseline.samples)
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
            "moran": None if shape is None else _median(moran(live, shape)),
            "participation_ratio": _median(participation_ratio(live)),
            "seconds": seconds,
        }


def _some(source: Source, n: int) -> Source:
    """Up to n samples of a source, always the same, in its order."""
    if len(source) <= n:
        return source
    return source.take(torch.from_numpy(np.sort(np.random.default_rng(0).permutation(len(source))[:n])))


def _labelled(source: Source) -> Source | None:
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
