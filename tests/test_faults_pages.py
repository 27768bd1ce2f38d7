"""Every fault has its page, and every rule its picture."""

import ast
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import sparsight.objectives
from sparsight import recipes, spec
from sparsight.errors import SparsightError
from sparsight.job import Recipe, all_terms
from sparsight.spec import names

DOCS = Path(__file__).parent.parent / "docs"
FAULTS, FIGURES = DOCS / "faults", DOCS / "figures" / "faults"
PAGES = sorted(page for page in FAULTS.glob("*.md") if page.stem not in ("index", "confusion"))


def of_objectives() -> set[str]:
    """Every name that the package gives to a finding of an objective: `rule=` or the first word of `found`."""
    given = set()
    for file in Path(sparsight.objectives.__file__ or "").parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Finding", "found"):
                said = [word.value for word in node.keywords if word.arg == "rule"]
                said += node.args[:1] if node.func.id == "found" else []
                branches = [
                    b for each in said for b in ([each.body, each.orelse] if isinstance(each, ast.IfExp) else [each])
                ]
                given |= {b.value for b in branches if isinstance(b, ast.Constant) and isinstance(b.value, str)}
    return given


def hooks() -> Any:
    """The module that fills the pages."""
    asked = importlib.util.spec_from_file_location("hooks_of_docs", DOCS / "hooks.py")
    assert asked is not None and asked.loader is not None
    module = importlib.util.module_from_spec(asked)
    asked.loader.exec_module(module)
    return module


def test_every_fault_has_a_page_and_every_page_a_fault() -> None:
    assert {"penalty-spreads", "no-error", "noise-shared", "summed-loss"} <= of_objectives()
    assert {page.stem for page in PAGES} == {*names("rule"), *of_objectives()}


@pytest.mark.parametrize("rule", names("rule"))
def test_a_registered_rule_has_a_picture_and_its_limits_on_its_page(rule: str) -> None:
    text = (FAULTS / f"{rule}.md").read_text(encoding="utf-8")
    assert f"<!-- rule {rule} -->" in text
    (picture,) = re.findall(rf"!\[[^]]+\]\(\.\./figures/faults/({rule}\.(?:png|svg))\)", text)
    assert 1000 < (FIGURES / picture).stat().st_size < 40_000
    if picture.endswith("png"):
        assert contrast(FIGURES / picture) > 100


def contrast(path: Path) -> float:
    """The greatest grey less the least."""
    with Image.open(path) as picture:
        low, high = picture.convert("L").getextrema()
    return float(high - low)  # pyright: ignore[reportOperatorIssue]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_why_how_to_mend_it_and_how_it_is_recognised(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Why", "Mend it", "How it is recognised"]
    printed = re.findall(hooks().FOUND, text)
    assert [name for *_, name in printed] == ([] if page.stem in names("rule") else [page.stem])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_change_on_a_page_is_one_that_some_recipe_takes(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for change in re.findall(r"`([a-z_]+(?:\.\w+)*=[^`]+)`", text):
        if change.partition("=")[0] not in ("x", "axis"):
            assert any(taken(change, name) for name in recipes.names()), change


def taken(change: str, name: str) -> bool:
    try:
        recipe = Recipe.parse(spec.override(recipes.read(name), [change]))
        all_terms(spec.build("architecture", recipe.architecture), recipe)
        for kind, parts in (("preprocess", recipe.preprocess), ("augmentation", recipe.augmentations)):
            for part in parts:
                spec.build(kind, part)
    except SparsightError:
        return False
    return True


def test_the_table_of_faults_has_a_row_for_each_with_its_severity() -> None:
    rows = hooks().faults().splitlines()[2:]
    assert len(rows) == len(PAGES)
    assert all(
        re.match(r"\| D\d\d \| \[.+\]\(.+\.md\) \| `.+` \| (amber|red|amber, red) \| .+ \|$", row) for row in rows
    )


def test_a_rule_on_its_page_names_its_limits_with_what_they_mean() -> None:
    said = hooks().rule("dead")
    assert said.startswith("D10, amber or red. Many features do nothing")
    assert "| `amber` | 0.1 | the share of all features. |" in said
    assert "[penalty-dominates](penalty-dominates.md)" in said


def test_the_table_of_the_bench_has_a_row_for_every_model_of_it() -> None:
    from faults.bench import calibration, unseen

    halves = json.loads((FAULTS / "confusion.json").read_text(encoding="utf-8"))
    for entries, rows in zip((calibration(), unseen()), halves.values(), strict=True):
        assert [(e.rule, e.data, e.kind) for e in entries] == [(r["planted"], r["data"], r["kind"]) for r in rows]


def test_the_matrix_counts_every_model_once_and_a_fault_on_its_diagonal() -> None:
    models = [
        {"planted": "dead", "data": "a", "kind": "1", "found": [["dead", "red"]]},
        {"planted": "dead", "data": "a", "kind": "2", "found": [["dense", "red"], ["dead", "red"]]},
        {"planted": None, "data": "a", "kind": "3", "found": []},
    ]
    said = "\n".join(hooks()._half("chosen on", models))
    assert "it is the first finding in 1 (50.0%), and among the first three in 2 (100.0%)" in said
    assert "| planted | models | 10 | 11 | none |" in said
    assert "| D10 [dead](dead.md) | 2 | **1** | 1 |  |" in said
    assert "| healthy | 1 |  |  | **1** |" in said
    assert "- 2, a: planted was `dead`, found `dense`, `dead`" in said
