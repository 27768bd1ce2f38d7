"""A loss is diagnosed without training it: the bench, the question's step, and what cannot be diagnosed."""

import functools
import math
import random
from collections import Counter
from pathlib import Path
from typing import Any

import bench_of_objectives as bench
import numpy as np
import pytest
import torch
from bench_of_objectives import RIGHT, WRONG, Objective, half_square, held, kl, network
from torch import Tensor

import sparsight
from examples.objective import step as the_questions_step
from sparsight import Recipe, SparsightError, diagnose_objective, recipes, train
from sparsight.core.findings import Finding
from sparsight.objectives.function import Function
from sparsight.spec import build, override

SMALL = {"n_inputs": 60, "n_latents": 40}


@functools.cache
def found(objective: Objective) -> tuple[Finding, ...]:
    return tuple(diagnose_objective(objective, **SMALL))


def rules(objective: Objective) -> list[str]:
    return [each.rule for each in found(objective)]


def named(each: Objective | str) -> str:
    return each if isinstance(each, str) else each.__name__


def number(findings: list[Finding], rule: str, name: str) -> float:
    (finding,) = (each for each in findings if each.rule == rule)
    return next(each.value for each in finding.numbers if each.name == name)


# --- the bench -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", RIGHT, ids=named)
def test_a_right_objective_has_no_red_finding(objective: Objective) -> None:
    assert not [each for each in found(objective) if each.severity == "red"]


@pytest.mark.parametrize(
    ("rule", "objective"), [(rule, each) for rule, wrong in WRONG.items() for each in wrong], ids=named
)
def test_a_mistake_is_named(rule: str, objective: Objective) -> None:
    assert rule in rules(objective)


def test_the_table_of_mistakes_and_first_findings_is_nearly_diagonal() -> None:
    """Every mistake has two objectives at least; its rule is the first finding of nearly all of them."""
    assert all(len(wrong) >= 2 for wrong in WRONG.values())
    assert len(RIGHT) >= 10
    table = Counter((rule, rules(each)[0]) for rule, wrong in WRONG.items() for each in wrong)
    beside = {pair: count for pair, count in table.items() if pair[0] != pair[1]}
    # a log of every code is also a divergence of every code, which comes first; a decay of .1 beside a mean error
    # leaves the clamp out of it; a step without noise's guard has that besides
    assert set(beside) <= {
        ("nan-at-saturation", "penalty-per-activation"),
        ("no-weight-decay", "nan-at-saturation"),
    }
    assert sum(beside.values()) <= 3
    amber = [each.rule for right in RIGHT for each in found(right)]
    assert amber == ["nan-at-saturation"]  # of the one that holds nothing away from 0 and 1


def test_every_finding_says_what_why_and_what_to_do() -> None:
    for each in (finding for wrong in WRONG.values() for objective in wrong for finding in found(objective)):
        assert each.said.endswith(".")
        assert each.cause and each.fix
        assert all(math.isfinite(n.value) for n in each.numbers)
        assert Finding.from_record(each.record()) == each


# --- the question ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def of_the_question() -> list[Finding]:
    return diagnose_objective(the_questions_step)


def test_the_questions_step_is_seen_through(of_the_question: list[Finding]) -> None:
    names = [each.rule for each in of_the_question]
    assert names[0] == "penalty-per-activation"
    assert {"penalty-too-weak", "no-weight-decay", "noise-shared", "nan-at-saturation"} <= set(names)
    assert {"batch-size-in-the-weights", "noise-strength", "noise-in-use", "linear-output"} <= set(names)
    assert number(of_the_question, "penalty-too-weak", "times too weak") == pytest.approx(7680, rel=1e-3)
    assert number(of_the_question, "penalty-too-weak", "share of the encoder's gradient") < 0.01
    assert number(of_the_question, "noise-strength", "standard deviation") == pytest.approx(0.01, rel=0.2)


def test_the_factor_is_that_of_the_batch_and_the_width() -> None:
    shapes = {"w1": (784, 200), "b1": 200, "w2": (200, 784), "b2": 784}
    half = diagnose_objective(the_questions_step, parameters=shapes, batch_size=64)
    assert number(half, "penalty-too-weak", "times too weak") == pytest.approx(3840, rel=1e-3)


def mended(findings: list[Finding]) -> Recipe:
    changes = dict.fromkeys(change for each in findings for change in each.changes)
    return Recipe.parse(override(recipes.read("question"), list(changes)))


def test_its_findings_are_changes_of_the_recipe_question(of_the_question: list[Finding]) -> None:
    recipe = mended(of_the_question)
    assert recipe.architecture == {"name": "sigmoid_kl", "kl": 3.0, "decay": 3e-3}
    assert recipe.terms["kl_per_activation"]["weight"] == 0
    assert recipe.output == "sigmoid"


@pytest.mark.slow
def test_the_mended_recipe_learns_strokes(of_the_question: list[Finding], tmp_path: Path) -> None:
    run = train(mended(of_the_question), tmp_path / "mended", build("source", "digits"))
    assert run.summary is not None
    assert run.summary["shapes"]["moran"]["encoder"] >= 0.78


# --- units, kinds, conventions ---------------------------------------------------------------------------------------


def test_a_multiple_of_the_whole_changes_nothing() -> None:
    def thousandth(x: Tensor, parameters: Any) -> Tensor:
        return bench.step_without_decay(x, parameters) / 1000

    assert [each.rule for each in diagnose_objective(thousandth, **SMALL)] == ["no-weight-decay"]


def test_the_target_and_the_weight_are_measured() -> None:
    def faint(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
        return 2 * half_square(x, recon) + 0.02 * kl(0.07, held(codes.mean(0))).sum()

    (finding,) = diagnose_objective(faint, **SMALL)
    assert finding.rule == "penalty-too-weak"
    assert number([finding], "penalty-too-weak", "weight") == pytest.approx(0.01, rel=1e-3)
    assert "KL(0.07" in finding.numbers[0].about
    assert "codes.mean(0)" in finding.fix


def test_a_small_batch_is_small_for_its_target_only_where_it_is_said() -> None:
    assert rules(bench.right_ufldl_of_target_05) == []
    small = diagnose_objective(bench.right_ufldl_of_target_05, **SMALL, batch_size=128)
    assert [each.id for each in small] == ["D13"]
    assert small[0].changes == ("train.batch_size=200",)


def test_a_cross_entropy_is_refused_samples_outside_its_range() -> None:
    x = np.random.default_rng(0).standard_normal((50, 60))
    first = diagnose_objective(bench.right_bce_of_logits, x=x, n_latents=40)[0]
    assert first.rule == "output-range"
    assert not diagnose_objective(bench.right_bce_of_logits, x=x * 0 + 0.5, n_latents=40)


def test_a_step_is_diagnosed_through_whatever_holds_its_parameters() -> None:
    def of_a_list(x: Tensor, parameters: Any) -> Tensor:
        w1, b1, w2, b2 = parameters
        return bench.step_of_every_activation(x, {"w1": w1, "b1": b1, "w2": w2, "b2": b2})

    def of_attributes(x: Tensor, p: Any) -> Tensor:
        return bench.step_of_every_activation(x, {"w1": p.W_enc.T, "b1": p.b_enc, "w2": p.W_dec, "b2": p.b_dec})

    usual = {"w1": np.zeros((60, 40)), "b1": (40,), "w2": (40, 60), "b2": (60,)}

    def of_a_default(x: Tensor, parameters: Any = usual) -> Tensor:
        return bench.step_of_every_activation(x, parameters)

    for each in (of_a_list, of_attributes):
        assert [finding.rule for finding in diagnose_objective(each, **SMALL)] == ["penalty-per-activation"]
    assert [finding.rule for finding in diagnose_objective(of_a_default)] == ["penalty-per-activation"]
    given = [np.zeros((60, 40)), np.zeros(40), np.zeros((40, 60)), np.zeros(60)]
    assert [finding.rule for finding in diagnose_objective(of_a_list, parameters=given)] == ["penalty-per-activation"]


def test_noise_from_a_generator_of_ones_own_is_held_still() -> None:
    dice = np.random.default_rng()

    def step(x: np.ndarray, parameters: Any) -> float:
        seen = x + 0.3 * dice.standard_normal(x.shape)
        h = 1 / (1 + np.exp(-(seen @ parameters["w1"] + parameters["b1"])))
        recon = 1 / (1 + np.exp(-(h @ parameters["w2"] + parameters["b2"])))
        penalty = 3 * bench.np_kl(0.1, np.clip(h, 1e-6, 1 - 1e-6)).sum(1).mean()
        return float(0.5 * np.square(recon - x).sum(1).mean() + penalty)

    names = [each.rule for each in diagnose_objective(step, **SMALL)]
    assert names == ["penalty-per-activation", "no-weight-decay", "noise-in-use"]


def test_global_generators_and_the_given_arrays_are_left_alone() -> None:
    x = np.full((20, 60), 0.5)
    parameters = {"w1": torch.ones(60, 40), "b1": torch.ones(40), "w2": torch.ones(40, 60), "b2": torch.ones(60)}
    before = random.random, np.random.get_state()[1].copy(), torch.random.get_rng_state()  # type: ignore[index]
    diagnose_objective(bench.step_with_noise_in_use, x=x, parameters=parameters)
    assert (np.random.get_state()[1] == before[1]).all()  # type: ignore[index]
    assert torch.equal(torch.random.get_rng_state(), before[2])
    assert (x == 0.5).all()
    assert all((each == 1).all() and each.grad is None for each in parameters.values())


def test_a_module_that_is_called_with_a_loss_is_a_function_too() -> None:
    class Loss(torch.nn.Module):
        def forward(self, recon: Tensor, x: Tensor, hidden: Tensor) -> Tensor:
            return half_square(x, recon) + 3 * kl(0.1, held(hidden)).sum(1).mean()

    class Called:
        def __call__(self, x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
            return Loss()(recon, x, codes)

    assert [each.rule for each in diagnose_objective(Called(), **SMALL)] == ["penalty-per-activation"]
    assert [each.rule for each in diagnose_objective(functools.partial(Called()), **SMALL)] == [
        "penalty-per-activation"
    ]


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("x", "codes", "reconstruction"), "terms"),
        (("y_pred", "y_true", "h"), "terms"),
        (("x_hat", "x", "whatever"), "terms"),
        (("x", "parameters"), "step"),
        (("params", "batch"), "step"),
        (("foo", "bar"), "step"),
        (("x", "w1", "b1", "w2", "b2"), "step"),
        (("x", "params", "rng"), "step"),
    ],
)
def test_the_kind_is_read_from_the_names(names: tuple[str, ...], kind: str) -> None:
    space: dict[str, Any] = {}
    exec(f"def f({', '.join(names)}): ...", space)
    assert Function(space["f"]).kind == kind


# --- what cannot be diagnosed ----------------------------------------------------------------------------------------


def vector(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return (recon - x).square().sum(1)


def nothing(x: Tensor, codes: Tensor, recon: Tensor) -> None:
    half_square(x, recon)


def pair(x: Tensor, codes: Tensor, recon: Tensor) -> tuple[Tensor, Tensor]:
    return half_square(x, recon), codes.mean()


def word(x: Tensor, codes: Tensor, recon: Tensor) -> str:
    return "loss"


def vector_in_a_dict(x: Tensor, codes: Tensor, recon: Tensor) -> dict[str, Tensor]:
    return {"error": half_square(x, recon), "sparsity": codes.sum(1)}


def raises(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    raise KeyError("mask")


def leaves(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    raise SystemExit(3)


def of_64_inputs(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return half_square(x * torch.ones(64), recon)


def two(a: Tensor, codes: Tensor) -> Tensor:
    return a.sum() + codes.sum()


def three(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    return a.sum() + b.sum() + c.sum()


def any_number(*arrays: Tensor) -> Tensor:
    return arrays[0].sum()


def deep(x: Tensor, parameters: Any) -> Tensor:
    return network(x, parameters)[1].sum() + parameters["w3"].sum()


def lopsided(x: Tensor, parameters: Any) -> Tensor:
    return (x @ parameters["w1"] @ torch.ones(7, 3)).sum()


@pytest.mark.parametrize(
    ("objective", "sentence"),
    [
        (vector, r"returns an array, it has the shape \[128\]"),
        (nothing, "returns nothing: end it with `return loss`"),
        (pair, "returns 2 things: return the loss alone"),
        (word, "returns str, and a loss is a number"),
        (vector_in_a_dict, "its summand 'sparsity' has the shape"),
        (raises, "raises KeyError: 'mask'; it was called with x"),
        (leaves, "it ends the program"),
        (of_64_inputs, "raises RuntimeError: The size of tensor"),
        (two, "can be read in more ways than one: name the arguments"),
        (three, "can be read in more ways than one: name the arguments"),
        (any_number, r"takes \*arguments: name the arguments"),
        (deep, "asks for the parameter 'w3', whose shape cannot be guessed"),
        (lopsided, "say which shapes it takes by parameters="),
        ("loss", "an objective is a function, and this is str"),
    ],
)
def test_what_cannot_be_diagnosed_is_said_in_one_sentence(objective: Any, sentence: str) -> None:
    with pytest.raises(SparsightError, match=sentence) as told:
        diagnose_objective(objective, **SMALL)
    assert "\n" not in str(told.value)


def test_a_function_that_keeps_something_between_calls_is_refused() -> None:
    steps = [0]

    def warming(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
        steps[0] += 1
        return half_square(x, recon) + 0.001 * steps[0] * codes.sum(1).mean()

    with pytest.raises(SparsightError, match=r"warming gives .* and then .* it keeps something between calls"):
        diagnose_objective(warming, **SMALL)


@pytest.mark.parametrize("shapes", [{"a": (3, 4, 5)}, {"w1": (60, 40), "w2": (41, 60)}, {"b": (3,)}])
def test_parameters_that_fit_no_network_are_refused(shapes: Any) -> None:
    with pytest.raises(SparsightError, match=r"are not those of one hidden layer|do not fit"):
        diagnose_objective(bench.right_step, parameters=shapes)


@pytest.mark.parametrize("x", [np.zeros(5), np.full((4, 4), np.nan), "digits"])
def test_samples_that_are_no_rows_of_numbers_are_refused(x: Any) -> None:
    with pytest.raises(SparsightError, match="x are samples as rows of"):
        diagnose_objective(bench.right_ufldl, x=x)


def test_it_is_a_name_of_the_package() -> None:
    assert "diagnose_objective" in sparsight.__all__
