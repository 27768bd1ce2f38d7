"""How findings are printed."""

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sparsight.cli.printing import table
from sparsight.core.findings import Finding, Number

COLOURS = {"red": "bold red", "amber": "bold yellow", "green": "bold green"}
_INDENT = 12


def tell(findings: Sequence[Finding], console: Console) -> None:
    """Print findings, each with its numbers, its cause and what to do; or that there are none."""
    if not findings:
        console.print(Text.assemble(("green", COLOURS["green"]), "       nothing was found"))
    for finding in findings:
        head = Table.grid()
        head.add_column(width=_INDENT - 5)
        head.add_column(width=5)
        head.add_column()
        said = f"{finding.said} {_concerned(finding.features)}" if finding.features else finding.said
        head.add_row(Text(finding.severity, COLOURS[finding.severity]), finding.id, Text(said))
        console.print(head)
        if finding.numbers:
            console.print(Padding(_numbers(finding.numbers), (0, 0, 0, _INDENT)))
        lines = {
            "cause": finding.cause,
            "fix": finding.fix,
            "change": "  ".join(finding.changes),
            "more": finding.page,
        }
        for label, text in lines.items():
            if text:
                console.print(Padding(Text.assemble((f"{label}: ", "dim"), text), (0, 0, 0, _INDENT)))
        console.print()


def announce(console: Console) -> Callable[[Finding], None]:
    """Says a finding while a model is being trained, in two lines."""

    def say(finding: Finding) -> None:
        head = Text.assemble((finding.severity, COLOURS[finding.severity]), f" {finding.id}  {finding.said}")
        console.print(head, soft_wrap=True)
        change = f"  change: {'  '.join(finding.changes)}" if finding.changes else ""
        console.print(f"          {finding.fix}{change}", markup=False, soft_wrap=True, style="dim")

    return say


def _concerned(features: Sequence[int]) -> str:
    shown = ", ".join(str(each) for each in features[:8])
    return f"[features {shown}{f' and {len(features) - 8} more' if len(features) > 8 else ''}]"


def _numbers(numbers: Sequence[Number]) -> Table:
    rows = table("", "here", "limit", "null", "")
    rows.columns[-1].justify, rows.columns[-1].no_wrap = "left", False  # the formula
    for number in numbers:
        rows.add_row(
            Text(number.name), *(_figure(v) for v in (number.value, number.limit, number.null)), Text(number.about)
        )
    return rows


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
