"""The pages are true: they build, their links lead somewhere, and their code runs."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from toys import samples, toy_job

from sparsight import recipes, spec
from sparsight.cli.app import app
from sparsight.core import SAE, SampleTerm
from sparsight.diagnosis import diagnose
from sparsight.job import Recipe, all_terms, digest
from sparsight.meters.quality import evaluate
from sparsight.sources import open_source
from sparsight.sweeps.grid import Grid

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CONTRIBUTING = ROOT / "CONTRIBUTING.md"


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def links(page: Path) -> list[str]:
    """Relative links and pictures, without their anchors; code is left out."""
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    return [target.partition("#")[0] for target in targets if not re.match(r"\w+:|#", target)]


def test_the_site_builds_without_a_warning_and_names_every_part_and_recipe(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    parts = (tmp_path / "reference" / "parts" / "index.html").read_text(encoding="utf-8")
    shelf = (tmp_path / "reference" / "recipes" / "index.html").read_text(encoding="utf-8")
    for kind in spec.kinds():
        for name in spec.names(kind):
            assert f"<code>{name}</code>" in parts
            made = spec.factory(kind, name)
            assert f'id="{made.__module__}.{made.__qualname__}"' in parts
    for name in recipes.names():
        assert f'id="{name}"' in shelf
    page = (tmp_path / "reference" / "cli" / "index.html").read_text(encoding="utf-8")
    program: Any = typer.main.get_command(app)
    groups = {name: command.commands for name, command in program.commands.items() if hasattr(command, "commands")}
    of_groups = {f"{name} {word}": command for name, group in groups.items() for word, command in group.items()}
    for name, command in {**program.commands, **of_groups}.items():
        assert f"<code>sparsight {name}" in page
        for parameter in command.params:
            assert f"<code>{parameter.opts[0]}</code>" in page or f"<code>{parameter.opts[0].upper()}" in page
    assert "fonts.googleapis.com" not in (tmp_path / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    missing = [target for target in links(page) if not (page.parent / target).exists()]
    assert not missing


def test_the_readme_is_short_and_opens_with_a_picture() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 80
    assert lines[2].startswith("![")


@pytest.mark.parametrize("page", [page for page in PAGES if page != CONTRIBUTING and blocks(page, "python")], ids=named)
def test_the_python_of_a_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {}
    for number, block in enumerate(blocks(page, "python"), 1):
        exec(compile(block, f"{named(page)}, block {number}", "exec"), namespace)
    said = capsys.readouterr().out
    for promised in re.findall(r"print\(.*\)  # (.+)", page.read_text(encoding="utf-8")):
        assert promised in said


def commands() -> list[str]:
    """Every training that a page tells the reader to start."""
    lines = [line for page in PAGES for block in blocks(page, "sh") for line in block.splitlines()]
    inline = [text for page in PAGES for text in re.findall(r"`(sparsight train [^`]+)`", page.read_text("utf-8"))]
    found = [line for line in [*lines, *inline] if line.startswith("sparsight train")]
    return sorted({line for line in found if not re.search(r"--resume|--plugin|--help|\[DATA\]|rectified_power", line)})


@pytest.mark.parametrize("command", commands())
def test_a_training_on_a_page_is_one_that_can_be_asked_for(command: str) -> None:
    words = shlex.split(command, comments=True)
    name = words[words.index("--recipe") + 1] if "--recipe" in words else "strokes"
    asked = "strokes" if name.endswith(".toml") else name
    recipe = Recipe.parse(spec.override(recipes.read(asked), [word for word in words if "=" in word]))
    assert all_terms(spec.build("architecture", recipe.architecture), recipe)
    if recipe.corruption is not None:
        spec.build("corruption", recipe.corruption)
    if recipe.source is not None:
        source = recipe.source.get("name", asked)  # a recipe for one kind of data is called what its source is called
        assert set(recipe.source) - {"name"} <= set(spec.knobs("source", source))


def sweeps() -> list[str]:
    """Every sweep that a page tells the reader to start."""
    lines = [line for page in PAGES for block in blocks(page, "sh") for line in block.splitlines()]
    return sorted({line for line in lines if line.startswith("sparsight sweep")})


@pytest.mark.parametrize("command", sweeps())
def test_a_sweep_on_a_page_is_one_that_can_be_asked_for(command: str) -> None:
    words = shlex.split(command)
    changes = [word for word in words if "=" in word]
    assert Grid(Recipe.parse(recipes.read(words[2])), changes, searched="--search" in words).axes


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "toml")], ids=named)
def test_a_recipe_on_a_page_is_one(page: Path) -> None:
    for block in blocks(page, "toml"):
        recipe = Recipe.parse({"architecture": "topk", **tomllib.loads(block)})
        assert all_terms(spec.build("architecture", recipe.architecture), recipe)
        for part in recipe.preprocess:
            spec.build("preprocess", part)


# --- the parts that CONTRIBUTING shows -------------------------------------------------------------------------------


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The examples of CONTRIBUTING, registered under names of their own until the test ends: kind to name."""
    monkeypatch.setattr(
        spec, "_REGISTRY", {kind: {n: spec.factory(kind, n) for n in spec.names(kind)} for kind in spec.kinds()}
    )
    found = {}
    for block in blocks(CONTRIBUTING, "python"):
        kind, name = re.findall(r'^@register\("(\w+)", "(\w+)"\)$', block, re.MULTILINE)[0]
        assert name not in spec.names(kind)
        found[kind] = f"{name}_of_contributing"
        plugin = tmp_path / f"{found[kind]}.py"
        plugin.write_text(block.replace(f'"{kind}", "{name}"', f'"{kind}", "{found[kind]}"'), encoding="utf-8")
        spec.load_plugin(plugin)
    return found


def test_the_example_architecture_learns_a_toy_dictionary(examples: dict[str, str]) -> None:
    job = toy_job(examples["architecture"], error={"name": "squared_error", "weight": 100.0})
    before = evaluate(job.sae, job.source)["explained_variance"]
    assert job.trainer.fit(job.source) == "finished"
    after = evaluate(job.sae, job.source)["explained_variance"]
    assert after > max(0.25, before + 0.25), (before, after)


def test_the_example_architecture_is_evaluated_per_sample_and_within_bounds(examples: dict[str, str]) -> None:
    sae = toy_job(examples["architecture"]).sae.double().eval()
    x = samples(8).double()
    codes, recon = sae.encode(x).dense(), sae(x)
    low, high = sae.activation.bounds
    assert low <= codes.min().item() <= codes.max().item() <= high
    for row in range(8):
        torch.testing.assert_close(sae.encode(x[row : row + 1]).dense()[0], codes[row])
        torch.testing.assert_close(sae(x[row : row + 1])[0], recon[row])


def test_the_example_architecture_moves_every_parameter_and_is_loaded_as_it_was_saved(
    examples: dict[str, str], tmp_path: Path
) -> None:
    job = toy_job(examples["architecture"], preprocess=[examples["preprocess"]], terms={examples["term"]: {}})
    before = digest(job.sae), {name: p.detach().clone() for name, p in job.sae.named_parameters()}
    batches = job.source.batches(64, 0)
    for _ in range(3):
        job.trainer.step(next(batches))
    assert digest(job.sae) != before[0]
    for name, parameter in job.sae.named_parameters():
        assert not torch.equal(before[1][name], parameter), name
    job.sae.eval().save(tmp_path / "model.safetensors")
    again = SAE.load(tmp_path / "model.safetensors")
    assert again.described() == job.sae.described()
    assert digest(again) == digest(job.sae)
    torch.testing.assert_close(again.reconstruct(samples(16)), job.sae.reconstruct(samples(16)), rtol=0, atol=0)


def test_the_example_term_moves_what_it_declares(examples: dict[str, str]) -> None:
    sae = toy_job("relu_l1").sae
    term = spec.build("term", examples["term"])
    assert isinstance(term, SampleTerm)
    step = sae.run(samples(64), samples(64), needs=term.needs)
    step.mean(term.per_sample(step, sae)).backward()
    for name in term.moves:
        gradient = getattr(sae, name).grad
        assert gradient is not None and gradient.any()


def test_the_example_source_is_found_by_its_suffix(examples: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "table.txt"
    path.write_text("1 2 3\n4 5 6\n")
    asked = open_source(str(path))
    assert asked == {"name": examples["source"], "path": str(path)}
    assert spec.build("source", asked).gather(torch.tensor([1])).tolist() == [[4, 5, 6]]


def test_the_example_rule_finds_a_loud_feature_and_leaves_others_alone(examples: dict[str, str]) -> None:
    x, W = samples(), torch.eye(16)
    loud = torch.cat([10 * W[:1], W[1:]])
    for filters, rules in ((loud, [examples["rule"]]), (W, [])):
        found = diagnose({"W": filters, "W_dec": W}, x, activation="relu", output="identity", rules=[examples["rule"]])
        assert [each.rule for each in found] == rules
        assert [each.features for each in found] == [(0,)] * len(rules)


def test_the_example_preprocessing_is_undone_by_its_inverse(examples: dict[str, str]) -> None:
    part = spec.build("preprocess", examples["preprocess"])
    x, W = samples(8), torch.randn(3, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(part.inverse(part(x)), x)
    torch.testing.assert_close(part(x) @ W.T, x @ part.filters_in_raw_units(W).T)
    torch.testing.assert_close(part.inverse(W), part.rows_in_raw_units(W))
