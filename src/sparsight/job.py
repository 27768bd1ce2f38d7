"""From a recipe to its parts, and from those to a run."""

import copy
import hashlib
import os
import platform
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from torch import Tensor

import sparsight
from sparsight.controllers.controller import Controller
from sparsight.core import SAE, Architecture, Facts, Observer, Output, Sampler, Schema, Source, Term
from sparsight.core.sampling import ordered
from sparsight.errors import SparsightError
from sparsight.meters.moments import Moments
from sparsight.meters.quality import measure_quality
from sparsight.meters.recovery import recovered
from sparsight.meters.shape import elongation, moran, participation_ratio, white_noise
from sparsight.meters.sites import explained_by_site
from sparsight.optimise import TrainConfig
from sparsight.run import Run
from sparsight.spec import build, describe, explain
from sparsight.trainer import Trainer

_INITIAL = 6
MEASURED = 2**20
"""Stored samples that a run is measured on after training, at most."""


def _named(spec: Any) -> Any:
    return {"name": spec} if isinstance(spec, str) else spec


SpecOf = Annotated[dict[str, Any], BeforeValidator(_named)]


class Recipe(BaseModel):
    """All that decides what a training does."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    name: str = "custom"
    summary: str = ""
    about: str = ""
    """The original beside ours, where there is one."""
    source: SpecOf | None = None
    n_latents: Annotated[int, Field(ge=1)] = 200
    architecture: SpecOf
    preprocess: list[SpecOf] = []
    corruption: SpecOf | None = None
    augmentations: list[SpecOf] = []
    error: SpecOf | None = None
    """The error of the reconstruction, in place of the architecture's."""
    output: Output | None = None
    """The output function, in place of the architecture's."""
    initialisation: SpecOf | None = None
    """Where training starts, in place of the architecture's."""
    aim: dict[str, float] | None = None
    """What the codes should be like: one of `l0`, `mean_activity` and `explained_variance`, such as {"l0": 20}. The
    architecture's knob is turned during training until they are."""
    terms: dict[str, SpecOf] = {}
    """More summands of the loss by name. `l2.encoder` is an `l2` unless it says otherwise."""
    train: TrainConfig = TrainConfig()
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the start and of noise, and of the data where `data_seed` says nothing else."""
    data_seed: Annotated[int, Field(ge=0)] | None = None
    """Of what each step sees: which samples are held out, the order of the others, and augmentation; None: `seed`."""

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> "Recipe":
        """Check a nested dictionary.

        Raises:
            SparsightError: an unknown key or a value that does not fit; the sentence says which.
        """
        try:
            return cls.model_validate(dict(given))
        except ValidationError as error:
            known = TrainConfig if error.errors()[0]["loc"][:1] == ("train",) else cls
            raise explain(error, f"recipe {given.get('name', '')!r}", known.model_fields) from None

    @property
    def of_data(self) -> int:
        """The seed of what each step sees."""
        return self.seed if self.data_seed is None else self.data_seed


@dataclass(frozen=True)
class Job:
    """A recipe put together with its data."""

    recipe: Recipe
    sae: SAE
    trainer: Trainer
    source: Source
    held_out: Source | None
    notes: tuple[str, ...]


def completed(recipe: Recipe) -> dict[str, Any]:
    """The recipe with every default filled in; no data are read."""
    full = recipe.model_dump()
    architecture = _architecture(recipe)
    full["architecture"] = describe(architecture)
    full["preprocess"] = [describe(build("preprocess", spec)) for spec in recipe.preprocess]
    full["output"] = recipe.output or architecture.output
    full["error"] = describe(architecture.error)
    full["initialisation"] = describe(architecture.initialisation)
    full["corruption"] = None if recipe.corruption is None else describe(build("corruption", recipe.corruption))
    full["augmentations"] = [describe(build("augmentation", spec)) for spec in recipe.augmentations]
    full["terms"] = {name: describe(term) for name, term in _extra_terms(recipe).items()}
    return full


def _architecture(recipe: Recipe) -> Architecture:
    """The architecture, with what the recipe puts in place of its parts."""
    architecture: Architecture = build("architecture", recipe.architecture)
    if recipe.error is not None:
        architecture.error = build("term", recipe.error)
    if recipe.initialisation is not None:
        architecture.initialisation = build("initialisation", recipe.initialisation)
    return architecture


def read_data(recipe: Recipe, source: Source | None = None) -> tuple[Source, Source | None]:
    """The samples to train on and those to measure on; None: the data set aside none.

    Args:
        recipe: names the source, how much of it is held out, and the seed of that choice.
        source: the data, in place of the recipe's.

    Raises:
        SparsightError: there is no source, or it cannot be read.
    """
    if source is None:
        if recipe.source is None:
            raise SparsightError(f"the recipe {recipe.name!r} names no data: give some, for example digits")
        source = build("source", recipe.source)
    assert source is not None
    training, held_out = source.split(recipe.train.hold_out, recipe.of_data)
    return training, held_out or source.test_part()


def prepare(
    recipe: Recipe,
    source: Source | None = None,
    *,
    device: str = "cpu",
    open_ended: bool = False,
    like: Job | None = None,
) -> Job:
    """Build all parts of a recipe, look at the data, and set the model to where training starts.

    Args:
        recipe: what to do.
        source: the data, in place of the recipe's.
        device: where the model lives.
        open_ended: training has no last step; see `Trainer`.
        like: a job on the same data; what it has read and measured is not read again.

    Raises:
        SparsightError: the data or the recipe cannot be used; nothing was written.
    """
    training, held_out = read_data(recipe, source) if like is None else (like.source, like.held_out)
    config = recipe.train
    seen = training.glance()
    if like is None and not training.finite:
        refuse_non_finite(training)
    sae, architecture = make_sae(recipe, training.schema)
    if like is not None and list(map(describe, like.sae.preprocess)) == list(map(describe, sae.preprocess)):
        sae.preprocess = copy.deepcopy(like.sae.preprocess).to("cpu")
    else:
        like = None
        sae.preprocess.fit(lambda: (batch.inputs for batch in seen.chunks()), training.schema)
    notes = [*training.notes, *(note for part in sae.preprocess for note in part.notes)]
    if sae.own_targets is not None:
        sae.own_targets.fit(lambda: _targets(seen), training.schema.of_targets)
        notes += [f"of the targets: {note}" for part in sae.own_targets for note in part.notes]
    size = len(training) if config.batch_size == "all" else config.batch_size
    if size > len(training):
        notes.append(f"the batch of {size} is larger than the data: every step takes all {len(training)} samples")
        size = len(training)
    facts = measure(training, sae, size) if like is None else replace(like.trainer.facts, batch_size=size)
    if sae.output != "identity" and (facts.low < 0 or facts.high > 1):
        raise SparsightError(
            f"the output {sae.output!r} stays in [0, 1], and the data go from {facts.low:.4g} to {facts.high:.4g}: "
            "scale them, or set output=identity"
        )
    draw = Draw(training, sae, recipe.seed)
    architecture.initialisation(sae, draw, facts, recipe.seed)
    for constraint in architecture.constraints:
        constraint.after_step(sae)
    architecture.initialisation.begin(sae, draw)
    sae.to(device)
    terms = all_terms(architecture, recipe)
    trainer = Trainer(
        sae,
        terms,
        config,
        facts,
        constraints=architecture.constraints,
        corruption=None if recipe.corruption is None else build("corruption", recipe.corruption),
        augmentations=[build("augmentation", spec) for spec in recipe.augmentations],
        seed=recipe.seed,
        data_seed=recipe.data_seed,
        open_ended=open_ended,
    )
    if recipe.aim is not None:
        if held_out is None:
            notes.append("no samples are held out: the aim is measured on some that are trained on; set train.hold_out")
        trainer.controller = Controller(sae, architecture, terms, recipe.aim, held_out or training)
    return Job(recipe, sae, trainer, training, held_out, (*notes, *trainer.objective.notes))


def make_sae(recipe: Recipe, schema: Schema) -> tuple[SAE, Architecture]:
    """The model of a recipe, with weights and preprocessing that are still to be filled, and what it was made from."""
    architecture = _architecture(recipe)
    preprocess = [build("preprocess", spec) for spec in recipe.preprocess]
    return SAE(schema, recipe.n_latents, architecture, preprocess=preprocess, output=recipe.output), architecture


def data_of(run: Run, source: Source | None = None) -> tuple[Source, Source]:
    """The samples that a run was trained on, and those that it is measured on: the same where none were held out.

    Of samples that are `stored` those that are measured are a glance of at most 1,048,576.

    Args:
        run: whose.
        source: the whole data set, in place of the recipe's.

    Raises:
        SparsightError: they cannot be read, or are not the same as then.
    """
    training, held_out = read_data(Recipe.parse(run.recipe), run.source() if source is None else source)
    if training.fingerprint() != run.manifest["data"]["sha256"]:
        raise SparsightError(f"these are not the data that {run.path.name!r} was trained on: give the same")
    if held_out is None:
        training = training.glance(MEASURED)
    return training, training if held_out is None else held_out.glance(MEASURED)


def terms_of(recipe: Recipe) -> dict[str, Term]:
    """Every summand of the loss by name; no data are read."""
    return all_terms(_architecture(recipe), recipe)


def all_terms(architecture: Architecture, recipe: Recipe) -> dict[str, Term]:
    """Every summand of the loss by name: the error, the architecture's, the recipe's."""
    terms: dict[str, Term] = {describe(architecture.error)["name"]: architecture.error, **architecture.terms}
    for name, term in _extra_terms(recipe).items():
        if name in terms:
            raise SparsightError(
                f"the term {name!r} is there already, from the architecture {recipe.architecture['name']!r}: "
                "change it by the architecture's own knobs, or give this one another name"
            )
        terms[name] = term
    return terms


def _extra_terms(recipe: Recipe) -> dict[str, Term]:
    return {name: build("term", {"name": name.split(".")[0], **spec}) for name, spec in recipe.terms.items()}


def refuse_non_finite(source: Source) -> None:
    """Raise if any sample or target holds NaN or infinity, saying how many and which."""
    moments = Moments(source.schema.n_inputs + (source.schema.n_targets or 0))
    for batch in source.chunks():
        targets = batch.targets
        moments.update(batch.inputs if targets is None else torch.cat([batch.inputs, targets], 1), batch.ids)
    if moments.n_bad:
        which = ", ".join(str(i) for i in moments.bad_ids[:5])
        more = ", ..." if moments.n_bad > 5 else ""
        raise SparsightError(
            f"{moments.n_bad} of {len(source)} samples hold NaN or infinity (samples {which}{more}): "
            "remove them or fill them in"
        )


def measure(source: Source, sae: SAE, batch_size: int) -> Facts:
    """What terms and starts need to know of the targets, in the units of the model, found at a glance."""
    moments = Moments(sae.sizes.n_targets)
    for batch in source.glance().chunks():
        moments.update(sae.units(batch.inputs, batch.targets)[1], weight=batch.weight)
    return Facts(
        schema=source.schema,
        n_samples=len(source),
        mean=moments.mean,
        variance=moments.variance,
        low=float(moments.low.min()),
        high=float(moments.high.max()),
        row_sum_error=moments.row_sum_error,
        batch_size=batch_size,
    )


class Draw(Sampler):
    """A `Sampler` of a source."""

    def __init__(self, source: Source, sae: SAE, seed: int) -> None:
        self.source, self.sae, self.seed = source, sae, seed

    def __call__(self, n: int) -> Tensor:
        return self.pairs(n)[0].unique(dim=0)

    def pairs(self, n: int) -> tuple[Tensor, Tensor]:
        ids = torch.from_numpy(np.sort(ordered(len(self.source), 0, n, self.seed, _INITIAL)))
        return self.sae.units(self.source.gather(ids), self.source.targets(ids))


def _targets(source: Source) -> Iterator[Tensor]:
    for batch in source.chunks():
        assert batch.targets is not None
        yield batch.targets


def train(
    recipe: Recipe,
    out: str | Path,
    source: Source | None = None,
    observers: Sequence[Observer] = (),
    device: str = "cpu",
) -> Run:
    """Train a recipe into a new run folder.

    Raises:
        SparsightError: the recipe, the data or the folder cannot be used. Nothing is left behind unless a step was
            done; after that the run is kept, and resumes.
    """
    if Path(out).exists():
        raise SparsightError(f"there is already a run at {str(out)!r}: choose another name or remove it")
    job = prepare(recipe, source, device=device)
    run = begin(job, out, device, job.source.fingerprint())
    try:
        with run.held():
            run.checkpoint(0, job.trainer.state_dict())  # so that one sees where it starts
            return finish(job, run, job.trainer.fit(job.source, run, observers, job.held_out))
    except BaseException:
        state = run.latest()
        if (state is None or state["number"] == 0) and not run.log():
            shutil.rmtree(run.path, ignore_errors=True)
        raise


def begin(job: Job, out: str | Path, device: str, sha256: str) -> Run:
    """The folder of a run that is about to be trained; `sha256` is the fingerprint of its data."""
    manifest = {
        "sparsight": sparsight.__version__,
        "versions": {name: version(name) for name in ("torch", "numpy", "safetensors")},
        "python": platform.python_version(),
        "machine": {"system": platform.platform(), "cores": os.cpu_count(), "threads": torch.get_num_threads()},
        "device": device,
        "data": {
            "samples": len(job.source),
            "inputs": job.sae.n_inputs,
            "targets": job.source.schema.n_targets,
            "sha256": sha256,
        },
        "lr": job.trainer.lr,
        "parameters": sum(p.numel() for p in job.sae.parameters()),
        "notes": list(job.notes),
    }
    return Run.create(out, completed(job.recipe), manifest)


def resume(path: str | Path, source: Source | None = None, observers: Sequence[Observer] = ()) -> Run:
    """Go on with a run that was killed or interrupted; it ends with the bits that it would have had.

    Raises:
        SparsightError: the folder is no run, it has ended, the data are not the same, or another process trains it.
    """
    run = Run.open(path)
    if run.summary is not None:
        raise SparsightError(f"the run {str(path)!r} has ended: there is nothing to resume")
    with run.held():
        job = prepare(Recipe.parse(run.recipe), source, device=run.manifest["device"])
        refuse_other_data(run, job.source.fingerprint())
        restore(job, run)
        return finish(job, run, job.trainer.fit(job.source, run, observers, job.held_out))


def refuse_other_data(run: Run, sha256: str) -> None:
    """Raise if a run was not trained on the data of this fingerprint."""
    if sha256 != run.manifest["data"]["sha256"]:
        raise SparsightError(
            f"the data are not those that {str(run.path)!r} was trained on: give the same, or train anew"
        )


def restore(job: Job, run: Run) -> None:
    """Go back to the last checkpoint of a run, or to its start where there is none."""
    state = run.latest()
    if state is not None:
        job.trainer.load_state_dict(state)
    run.rewind(job.trainer.number)


def finish(job: Job, run: Run, reason: str) -> Run:
    """Write what came out, unless it was interrupted."""
    if reason != "interrupted" and job.trainer.world.rank == 0:
        measured = "held-out samples" if job.held_out is not None else "training samples"
        whole = job.held_out or job.source
        samples = whole.glance()
        if len(samples) < len(whole):
            measured = f"{len(samples):,} of {len(whole):,} {measured}"
        quality = measure_quality(job.sae, samples)
        controller = job.trainer.controller
        summary = {
            "ended": reason,
            "steps": job.trainer.number,
            "seconds": job.trainer.seconds,
            "measured_on": measured,
            "dead": job.trainer.n_dead,
            "quality": quality.result(),
            "null": quality.null(),
            "recovery": recovered(job.sae, samples),
            "shapes": shapes(job.sae, quality.rate > 0),
            "sites": explained_by_site(job.sae, job.held_out or job.source) if job.sae.schema.sites else {},
            "aim": None if controller is None else controller.settled(quality.result(), job.trainer.n_dead),
            "weights": digest(job.sae),
        }
        run.finish(job.sae, summary)
    return run


def shapes(sae: SAE, live: Tensor) -> dict[str, dict[str, float]]:
    """Median measures of filters over live features, beside those of white noise; none without a geometry."""
    shape = sae.schema.shape
    if shape is None:
        return {}
    filters = {
        **{of: weights[live] for of, weights in sae.filters_of_inputs().items()},
        "noise": white_noise(sae.n_latents, sae.n_inputs),
    }
    measures: dict[str, Callable[[Tensor], Tensor]] = {
        "moran": lambda w: moran(w, shape),
        "participation_ratio": participation_ratio,
        "elongation": lambda w: elongation(w, shape),
    }
    return {
        name: {of: float(measure(w.double()).nanmedian()) for of, w in filters.items()}
        for name, measure in measures.items()
    }


def digest(sae: SAE) -> str:
    """A hash of all tensors: equal bits, equal digest."""
    hasher = hashlib.sha256()
    for name, tensor in sorted(sae.state_dict().items()):
        hasher.update(name.encode())
        hasher.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return hasher.hexdigest()


def free_name(folder: Path, stem: str, taken: Collection[Path] = ()) -> Path:
    """The first path `folder/stem`, `folder/stem-2`, ... where nothing is, and that is not one of those `taken`."""

    def names() -> Iterator[str]:
        yield stem
        n = 2
        while True:
            yield f"{stem}-{n}"
            n += 1

    places = (folder / name for name in names())
    return next(place for place in places if place not in taken and not place.exists())
