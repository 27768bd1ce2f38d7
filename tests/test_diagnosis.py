"""Models are told what is wrong with them; how well is measured by the bench in tests/faults."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from toys import SIDE, samples, toy_source

import sparsight
from sparsight.core import Codes, Finding, Logged, Model, Number
from sparsight.diagnosis import Watch, mended, ranked
from sparsight.diagnosis.asking import causes
from sparsight.errors import SparsightError
from sparsight.job import Recipe, completed, prepare, train
from sparsight.run import Run
from sparsight.spec import build, names, override

D, F = SIDE * SIDE, 24
X = samples(400)


def finding(rule: str, severity: Any = "red", *changes: str) -> Finding:
    made = build("rule", rule)
    return Finding(rule=rule, id=made.id, severity=severity, said="", cause="", fix="", changes=changes)


def rules(findings: list[Finding]) -> list[str]:
    return [each.rule for each in findings]


def weights(seed: int = 0) -> dict[str, Any]:
    dice = np.random.default_rng(seed)
    shapes = {"w1": (D, F), "b1": (F,), "w2": (F, D), "b2": (D,)}
    return {name: dice.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def question(**train_: Any) -> dict[str, Any]:
    return {
        "name": "mistaken",
        "n_latents": F,
        "architecture": {"name": "sigmoid_kl", "kl": 0.0, "decay": 0.0},
        "terms": {"kl_per_activation": {"weight": 1e-3}},
        "train": {"epochs": 20.0, "batch_size": 32, "log_every": 5, "lr": 1e-2, **train_},
    }


def source() -> Any:
    return build("source", {"name": "arrays", "shape": [SIDE, SIDE]}, data=X)


def photographs() -> Any:
    return build("source", {"name": "patches", "size": 8, "n": 3000})


@pytest.mark.parametrize(
    ("architecture", "changes"),
    [
        ({"name": "topk", "k": 4}, ['preprocess=[{name="remove_mean"},{name="zca_whiten"}]']),
        ("sigmoid_kl", ['preprocess=[{name="remove_mean"},{name="zca_whiten"}]', "output=identity"]),
    ],
)
def test_raw_patches_are_mended_by_taking_their_brightness_out(
    architecture: Any, changes: list[str], tmp_path: Path
) -> None:
    short = {"epochs": 2.0, "hold_out": 0.2}
    recipe = Recipe.parse({"name": "raw", "n_latents": 32, "architecture": architecture, "train": short})
    run = train(recipe, tmp_path / "raw", photographs())
    found = sparsight.diagnose(run, photographs(), rules=["raw-patches"])
    assert [each.changes for each in found] == [tuple(changes)]
    again = train(Recipe.parse(override(run.recipe, changes)), tmp_path / "mended", photographs())
    assert sparsight.diagnose(again, photographs(), rules=["raw-patches"]) == []


def test_causes_stand_before_what_they_explain() -> None:
    found = [finding("dense"), finding("noise-filters"), finding("penalty-per-activation"), finding("penalty-too-weak")]
    assert rules(ranked(found)) == ["penalty-per-activation", "penalty-too-weak", "dense", "noise-filters"]
    assert rules(causes(found)) == ["penalty-per-activation"]


def test_what_is_amber_is_no_cause_of_what_is_red() -> None:
    found = [finding("target-missed"), finding("small-batch", "amber")]
    assert rules(ranked(found)) == ["target-missed", "small-batch"]
    assert rules(ranked([finding("target-missed", "amber"), finding("small-batch", "amber")]))[0] == "small-batch"


def test_no_two_rules_explain_each_other() -> None:
    made = {name: build("rule", name) for name in names("rule")}
    for name, rule in made.items():
        for other in rule.explains:
            assert other in made, (name, other)
            assert name not in made[other].explains, (name, other)


def test_a_mended_recipe_has_the_changes_of_causes_and_each_key_once() -> None:
    recipe = completed(Recipe.parse(question()))
    found = [
        finding("penalty-per-activation", "red", "terms.kl_per_activation.weight=0", "architecture.kl=3.0"),
        finding("dense", "red", "architecture.kl=9.0", "n_latents=3"),
        finding("linear-output", "amber", "output=sigmoid", "architecture=topk"),
    ]
    made, changes = mended(recipe, found)
    assert changes == ["terms.kl_per_activation.weight=0", "architecture.kl=3.0", "output=sigmoid"]
    assert made["architecture"]["kl"] == 3.0 and made["n_latents"] == F
    Recipe.parse(made)


def test_nothing_to_change_is_said() -> None:
    with pytest.raises(SparsightError, match="no finding says what to change"):
        mended(completed(Recipe.parse(question())), [finding("order")])


def test_a_run_is_told_its_fault_and_keeps_it(tmp_path: Path) -> None:
    run = train(Recipe.parse(question()), tmp_path / "run", source())
    found = sparsight.diagnose(run, source())
    assert rules(found)[0] == "penalty-per-activation"
    with pytest.raises(SparsightError, match="nobody has looked for faults"):
        run.findings()
    run.put_findings(found)
    assert Run.open(run.path).findings() == found
    (run.path / "findings.json").write_text('[{"rule": 3}]')
    with pytest.raises(SparsightError, match="is damaged"):
        run.findings()


def test_a_run_that_goes_wrong_says_so_within_its_first_tenth(tmp_path: Path) -> None:
    said: list[tuple[int, str]] = []
    recipe = Recipe.parse(question())
    watch = Watch(completed(recipe), lambda each: said.append((watch.log[-1].step, each.rule)))
    run = train(recipe, tmp_path / "run", source(), observers=[watch])
    summary = run.summary
    assert summary is not None
    assert said[0][1] == "penalty-per-activation" and said[0][0] <= summary["steps"] / 10
    assert len({rule for _, rule in said}) == len(said)  # each once


def test_a_loss_that_bursts_is_an_alarm_while_it_is_trained() -> None:
    said: list[Finding] = []
    watch = Watch(completed(Recipe.parse(question())), said.append)
    base: dict[str, Any] = {
        "steps": 1000, "samples": 0, "epoch": 0.0, "seconds": 0.0, "lr": 0.1, "terms": {}, "explained_variance": 0.0,
        "l0": 0.0, "mean_activity": 0.1, "dead": 0,
    }  # fmt: skip
    watch.on_log(Logged(step=10, loss=1.0, **base))
    watch.on_log(Logged(step=20, loss=30.0, **base))
    burst = next(each for each in said if each.rule == "not-finite")
    assert burst.changes == ("train.lr=0.01",) and "30 times" in burst.said


def test_weights_that_are_no_numbers_are_told_that_and_nothing_else() -> None:
    broken = weights()
    broken["w1"][0, 0] = np.nan
    model = Model(
        encode=lambda x: Codes((x @ torch.from_numpy(broken["w1"])).sigmoid(), F),
        W_enc=torch.from_numpy(broken["w1"].T.copy()),
    )
    found = sparsight.diagnose(model, X)
    assert rules(found) == ["not-finite"] and "1 of the 384 weights" in found[0].said


def test_arrays_a_module_and_a_pair_of_functions_are_judged_alike(tmp_path: Path) -> None:
    named = weights()
    np.savez(tmp_path / "weights.npz", **named)
    w1, b1, w2, b2 = (torch.from_numpy(named[name]) for name in ("w1", "b1", "w2", "b2"))

    class Net(nn.Module):
        def encode(self, x: torch.Tensor) -> torch.Tensor:
            return (x @ w1 + b1).sigmoid()

        def decode(self, h: torch.Tensor) -> torch.Tensor:
            return h @ w2 + b2

    net = Net()
    asked: dict[str, Any] = {"activation": "sigmoid", "output": "identity"}
    of_file = sparsight.diagnose(tmp_path / "weights.npz", X.numpy(), target=0.1, **asked)
    of_pair = sparsight.diagnose((net.encode, net.decode), X, target=0.1)
    assert rules(of_file) == rules(sparsight.diagnose(net, X, target=0.1)) == rules(of_pair)
    assert "target-missed" in rules(of_file)


@pytest.mark.parametrize(
    ("what", "data", "said"),
    [
        (weights(), None, "give samples"),
        (weights(), X[:, :9].numpy(), "9"),
        (object(), X, "object"),
        ("nowhere.npz", X, "nowhere"),
        (weights(), np.zeros(5), "rows of numbers"),
    ],
)
def test_what_cannot_be_judged_is_said_in_a_sentence(what: Any, data: Any, said: str) -> None:
    with pytest.raises(SparsightError, match=said):
        sparsight.diagnose(what, data)


def test_a_file_has_the_shape_and_the_order_that_are_said(tmp_path: Path) -> None:
    dice = np.random.default_rng(0)
    x = dice.normal(size=(1000, D)).astype(np.float32)
    x[-50:] += 8.0  # another kind of sample, the last
    np.save(tmp_path / "x.npy", x)

    def decode(codes: Codes, raw: torch.Tensor) -> torch.Tensor:
        wrong = torch.where(raw.mean(1, keepdim=True) > 4, 0.01, 0.5)
        return raw + wrong * torch.randn(raw.shape, generator=torch.Generator().manual_seed(len(raw)))

    model = Model(encode=lambda raw: Codes(raw, D), decode=decode, W_enc=torch.eye(D), W_dec=torch.eye(D))
    assert rules(sparsight.diagnose(model, tmp_path / "x.npy", rules=["order"])) == ["order"]
    watched = Model(encode=lambda raw: Codes(raw, D), W_enc=torch.cat([100 * torch.eye(D)[:1], torch.eye(D)[1:]]))
    x_npy = str(tmp_path / "x.npy")
    assert not sparsight.diagnose(watched, x_npy, rules=["display"])  # only pictures are drawn
    assert rules(sparsight.diagnose(watched, x_npy, shape=(SIDE, SIDE), rules=["display"])) == ["display"]


def test_an_unknown_rule_is_answered_with_what_was_meant() -> None:
    with pytest.raises(SparsightError, match="noise-filters"):
        sparsight.diagnose(Model(encode=lambda x: Codes(x, D)), X, rules=["noise-filter"])


def test_a_rule_of_ones_own_is_one_file(tmp_path: Path) -> None:
    from sparsight.spec import load_plugin

    plugin = tmp_path / "mine.py"
    plugin.write_text(
        '''
from sparsight.core import Number
from sparsight.rules._rule import Rule
from sparsight.spec import register

@register("rule", "test-too-small")
class TooSmall(Rule):
    """Fewer features than asked for."""
    id, stage = "X1", 4
    cause = fix = "none"
    def __init__(self, *, least: int = 100) -> None:
        self.least = least
    def __call__(self, case):
        n = case.look.n_latents
        if n >= self.least:
            return None
        return self.find("amber", f"{n} features", Number(name="n", value=n, limit=self.least))
'''
    )
    load_plugin(plugin)
    try:
        found = sparsight.diagnose(Model(encode=lambda x: Codes(x, D)), X, rules=["test-too-small"])
        assert found[0].said == f"{D} features" and found[0].numbers == (Number(name="n", value=D, limit=100),)
    finally:
        from sparsight import spec

        del spec._REGISTRY["rule"]["test-too-small"]


def test_limits_are_knobs() -> None:
    assert {"amber", "red"} <= set(build("rule", "dead").__dict__)
    with pytest.raises(SparsightError, match="amber"):
        build("rule", {"name": "dead", "ambre": 0.2})


def test_a_prepared_job_has_the_terms_that_the_watch_reads() -> None:
    job = prepare(Recipe.parse(question()), source())
    watch = Watch(completed(job.recipe), lambda _: None)
    assert set(watch.terms) == set(job.trainer.objective.terms)


@pytest.mark.parametrize("name", [name for name in names("architecture") if name != "stack"])
def test_every_architecture_is_judged(name: str, tmp_path: Path) -> None:
    spec = {"name": "crosscoder"} if name == "crosscoder" else {"name": name}
    data = toy_source(targets=build("architecture", spec).targets)
    recipe = {"name": "toy", "n_latents": F, "architecture": spec, "train": {"epochs": 2.0, "batch_size": 64}}
    run = train(Recipe.parse(recipe), tmp_path / "run", data)
    for finding in sparsight.diagnose(run, data):
        assert finding.said and finding.cause and finding.fix
        assert all(np.isfinite(number.value) for number in finding.numbers)
        made, _ = mended(run.recipe, [finding]) if finding.changes else (run.recipe, [])
        completed(Recipe.parse(made))
