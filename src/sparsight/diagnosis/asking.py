"""Every rule, asked about one model."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from sparsight.core import SAE, Finding, Model, Source
from sparsight.core.sampling import spread
from sparsight.errors import SparsightError
from sparsight.interchange import model, model_of
from sparsight.job import Recipe, data_of, terms_of
from sparsight.rules._look import Look
from sparsight.rules._rule import Case, Rule
from sparsight.run import Run
from sparsight.sources import open_source
from sparsight.spec import build, factory, knobs, names

LOOKED_AT = 10_000
"""Samples that a model is looked at with, at most,"""
NUMBERS = 2**25
"""and numbers in them."""


def diagnose(
    what: Any,
    data: Any = None,
    *,
    held_out: Any = None,
    again: Any = None,
    shape: Sequence[int] | None = None,
    target: float | None = None,
    batch_size: int | None = None,
    noise: float | None = None,
    activation: str | None = None,
    output: str | None = None,
    rules: Iterable[str] | None = None,
) -> list[Finding]:
    """What is wrong with a model, why, and how to mend it: causes before their effects, the worst first.

    Args:
        what: a run or the path of its folder; an `SAE`; any `torch.nn.Module`, or a pair of callables (encode, decode);
            arrays by name, or the path of a file of them (`sparsight.interchange`).
        data: raw samples, [n, D], or a source; a run knows its own. Rows in the order in which they were trained on let
            more be seen.
        held_out: samples that it was not trained on.
        again: the same model trained with another seed, in any form of `what`.
        shape: of one sample, where it is a picture: (height, width) or (height, width, channels).
        target: the mean activity that a divergence was to hold features at.
        batch_size: of the training.
        noise: the deviation of the noise on the inputs.
        activation: of arrays; by default what fits the data best.
        output: likewise.
        rules: their names; None: all.

    Raises:
        SparsightError: the model cannot be read, or the samples do not fit it.
    """
    asked = [build("rule", name) for name in (names("rule") if rules is None else rules)]
    if isinstance(what, str | Path) and (Path(what) / "recipe.json").is_file():
        what = Run.open(what)
    if isinstance(what, Run):
        return ranked(ask(case_of_run(what, None if data is None else _source(data, shape), again), asked))
    if data is None:
        raise SparsightError("a model without its data cannot be judged: give samples, [n, D], as data")
    source = _source(data, shape)
    looked, ordered = model(what, source, activation, output), not isinstance(data, Source)
    seen = look_at(looked, source)
    case = Case(
        look=seen if held_out is None else look_at(looked, _source(held_out, shape)),
        seen=seen,
        again=None if again is None else look_at(model(again, source, activation, output), source),
        target=target,
        batch_size=batch_size,
        noise=noise,
        ordered=ordered and held_out is None,
    )
    return ranked(ask(case, asked))


def ask(case: Case, rules: Iterable[Rule]) -> list[Finding]:
    """The findings of those rules that know what they need, in no order.

    A model that gives no numbers is asked nothing but that.
    """
    found = []
    broken = case.look is not None and not (case.look.finite and _finite(case.look.model))
    for rule in rules:
        if any(getattr(case, need) is None for need in rule.needs) or (broken and rule.stage):
            continue
        finding = rule(case)
        if finding is not None:
            found.append(finding)
    return found


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """Causes before what they explain; else red before amber, and what lies deeper before what follows from it."""
    left, out = list(findings), []

    def place(finding: Finding) -> tuple[bool, bool, int, str]:
        rule = _rule(finding)
        return _explained(finding, left), finding.severity != "red", rule.stage if rule else 0, finding.id

    while left:
        out.append(min(left, key=place))
        left.remove(out[-1])
    return out


def causes(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that no other one explains, in rank."""
    all_ = list(findings)
    return [finding for finding in ranked(all_) if not _explained(finding, all_)]


def _explained(finding: Finding, findings: Iterable[Finding]) -> bool:
    """Whether another one may be its cause: none that is amber is that of a red one."""
    for other in findings:
        rule = None if other is finding or (finding.severity, other.severity) == ("red", "amber") else _rule(other)
        if rule is not None and finding.rule in rule.explains:
            return True
    return False


def _rule(finding: Finding) -> type[Rule] | None:
    """The rule that found it; None: it was found elsewhere, as in an objective."""
    return cast(type[Rule], factory("rule", finding.rule)) if finding.rule in names("rule") else None


def case_of_run(run: Run, source: Source | None = None, again: Any = None) -> Case:
    """All that is known of a run; one that has not ended has its log and its recipe alone."""
    recipe, log = run.recipe, run.log()
    if run.summary is None:
        if not log:
            raise SparsightError(f"the run {str(run.path)!r} has logged nothing yet: there is nothing to judge")
        return Case(recipe=recipe, log=log, terms=told_by(recipe)["terms"])
    training, held_out = data_of(run, source)
    sae = run.sae()
    looked = model_of(sae)
    told = told_by(recipe)
    return Case(
        look=look_at(looked, held_out),
        seen=look_at(looked, training),
        again=None if again is None else look_at(model(again, held_out), held_out),
        recipe=recipe,
        log=log,
        dead=run.summary["dead"],
        stability=_stability(run),
        **{**told, "noise": _raw(told["noise"], sae)},
    )


def told_by(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What a recipe says of its objective: terms, a divergence's target, the batch, the noise in the model's units."""
    parsed = Recipe.parse(recipe)
    terms = terms_of(parsed)
    asked = (getattr(term, "target", None) for term in terms.values() if term.sparsifies and term.weight)
    size = parsed.train.batch_size
    return {
        "terms": terms,
        "target": next((target for target in asked if target is not None and 0 < target < 1), None),
        "batch_size": size if isinstance(size, int) else None,
        "noise": (recipe["corruption"] or {}).get("std"),
    }


def _raw(noise: float | None, sae: SAE) -> float | None:
    """Noise in the units of the model, as the mean deviation in those of the data."""
    if noise is None:
        return None
    unit = sae.preprocess.rows_in_raw_units(torch.ones(1, sae.n_inputs))
    return noise * float(unit.square().mean().sqrt())


def _stability(run: Run) -> float | None:
    """The mean cosine of features to their matches in other trainings, where `verify` has trained them."""
    known = run.verified
    column = None if known is None else known.columns.get("stability")
    return None if column is None or not np.isfinite(column).any() else float(np.nanmean(column))


def look_at(looked: Model, source: Source) -> Look:
    """Look at a model with up to 10,000 samples, evenly spread."""
    at_most = max(1, min(LOOKED_AT, NUMBERS // source.schema.n_inputs))
    ids = spread(len(source), at_most)
    return Look(looked, source.gather(ids), source.targets(ids), source.schema)


def _finite(looked: Model) -> bool:
    weights = (looked.W_enc, looked.W_dec, looked.b_enc, looked.b_dec)
    return all(w is None or bool(w.isfinite().all()) for w in weights)


def _source(data: Any, shape: Sequence[int] | None) -> Source:
    """Samples in any form as a source: rows, flattened where they are pictures, or the path of data."""
    if isinstance(data, Source):
        return data
    if isinstance(data, str | Path):
        asked = open_source(str(data))
        if shape is not None and "shape" in knobs("source", asked["name"]):
            asked["shape"] = list(shape)
        return build("source", asked)
    array = data if isinstance(data, Tensor) else torch.as_tensor(np.asarray(data, dtype=np.float32))
    if shape is None and array.ndim in (3, 4) and array.shape[1] > 1:
        shape = array.shape[1:]
    if array.ndim < 2 or not len(array):
        raise SparsightError(f"samples must be rows of numbers, [n, D], and these are {list(array.shape)}")
    return build("source", {"name": "arrays", "shape": None if shape is None else list(shape)}, data=array.flatten(1))
