import json
from pathlib import Path

import pytest
import typer
from rich.console import Console

from sparsight import SparsightError
from sparsight.cli.findings import tell
from sparsight.cli.objecting import diagnose_objective
from sparsight.core.findings import Finding, Number

GOOD = (
    "def loss(x, codes, recon):\n    return 0.5 * ((recon - x) ** 2).sum(1).mean() + 0.5 * abs(codes).sum(1).mean()\n"
)
BAD = GOOD.replace("((recon", "-((recon")
EXAMPLE = Path(__file__).parents[2] / "examples" / "objective.py"


@pytest.fixture
def console() -> Console:
    return Console(width=100, highlight=False)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def diagnose(name: str, console: Console, *, as_json: bool = False, strict: bool = False) -> None:
    diagnose_objective(name, as_json=as_json, strict=strict, console=console)


def test_the_questions_step_is_told_with_cause_and_line(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    diagnose(f"{EXAMPLE}:step", console)
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert lines[0].startswith("red    D03  The penalty is taken of every activation")
    assert "7,680 times too weak" in said
    assert "hidden.mean(0).clamp(1e-6, 1 - 1e-6)" in said
    assert "change: architecture.decay=3e-3" in said
    assert "faults/noise-shared.md" in said
    assert max(map(len, lines)) <= 100


def test_a_right_one_is_green_even_where_it_is_strict(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    Path("good.py").write_text(GOOD)
    diagnose("good.py", console, strict=True)
    assert capsys.readouterr().out.split() == ["green", "nothing", "was", "found"]


def test_strict_ends_with_1_where_anything_was_found(console: Console) -> None:
    Path("bad.py").write_text(BAD)
    diagnose("bad.py:loss", console)
    with pytest.raises(typer.Exit) as ended:
        diagnose("bad.py:loss", console, strict=True)
    assert ended.value.exit_code == 1


def test_json_is_one_object_whatever_the_file_prints(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    Path("loud.py").write_text("print('loading')\n" + BAD.replace("    return", "    print('called')\n    return"))
    diagnose("loud.py:loss", Console(stderr=True), as_json=True)
    record = json.loads(capsys.readouterr().out)
    assert record["objective"] == "loud.py:loss"
    assert [each["rule"] for each in record["findings"]] == ["error-rewarded"]
    assert Finding.from_record({k: v for k, v in record["findings"][0].items() if k != "page"})


def test_a_file_can_import_what_lies_beside_it(console: Console) -> None:
    Path("parts_beside.py").write_text(GOOD)
    Path("mine.py").write_text("from parts_beside import loss\n")
    diagnose("mine.py:loss", console)


@pytest.mark.parametrize(
    ("text", "name", "sentence"),
    [
        (None, "nowhere.py:loss", "'nowhere.py' is not there: name a function of yours as file.py:function"),
        (None, ".:loss", "'.' is no Python file"),
        (GOOD, "file.py:los", "has no function 'los'; did you mean 'loss'"),
        (GOOD + "def other(): ...\n", "file.py", "has 2 functions: say which as file.py:NAME; there is: loss, other"),
        ("1 +\n", "file.py:loss", "fails as it is loaded, with SyntaxError: invalid syntax"),
        ("import nothing_of_that_name\n", "file.py:loss", "with ModuleNotFoundError: No module named"),
        ("raise SystemExit('bye')\n", "file.py:loss", "with SystemExit: bye; put training and what needs data under"),
        ("1 / 0\n", "file.py:loss", "with ZeroDivisionError: division by zero"),
        ("\0", "file.py:loss", "fails as it is loaded"),
        ("loss = 3\n", "file.py:loss", "has no function 'loss'; there is: none"),
        (
            "def loss(x, codes, recon):\n    raise ValueError('no\\nway')\n",
            "file.py",
            "raises ValueError: no; it was called",
        ),
    ],
)
def test_a_mistake_is_one_sentence(text: str | None, name: str, sentence: str, console: Console) -> None:
    if text is not None:
        Path("file.py").write_text(text)
    with pytest.raises(SparsightError) as told:
        diagnose(name, console)
    assert sentence in str(told.value)
    assert "\n" not in str(told.value)


def test_findings_of_features_and_figures_are_told(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    finding = Finding(
        rule="dead",
        id="D10",
        severity="amber",
        said="Many features are dead.",
        numbers=(Number(name="dead [share]", value=0.25, limit=0.1, null=0.0, about="of 12,000"),),
        cause="They [bold]rest[/bold].",
        fix="Wake them.",
        features=tuple(range(20)),
    )
    tell([finding], console)
    said = capsys.readouterr().out
    assert "Many features are dead. [features 0, 1, 2, 3, 4, 5, 6, 7 and 12 more]" in said
    assert said.split("of 12,000")[0].split()[-5:] == ["dead", "[share]", "0.25", "0.1", "0"]
    assert "cause: They [bold]rest[/bold]." in said
    assert "change" not in said
