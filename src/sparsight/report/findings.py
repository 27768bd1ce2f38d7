"""The part of the page about what is wrong."""

from collections.abc import Sequence
from html import escape

from sparsight.core import Finding, Number
from sparsight.views.charts import short


def inner(findings: Sequence[Finding]) -> str:
    """A card for each finding: what is wrong, the numbers behind it, why, and what to do."""
    if not findings:
        return '<p><span class="light green">green</span> No rule found anything.</p>'
    return f'<ol class="findings">{"".join(_card(finding) for finding in findings)}</ol>'


def _card(finding: Finding) -> str:
    changes = "".join(f"<code>{escape(change)}</code> " for change in finding.changes)
    changed = f"<dt>change</dt><dd>{changes}</dd>" if changes else ""
    concerned = ", ".join(str(feature) for feature in finding.features[:12])
    more = f" and {len(finding.features) - 12} more" if len(finding.features) > 12 else ""
    features = f"<dt>features</dt><dd>{concerned}{more}</dd>" if concerned else ""
    return (
        f'<li><p><span class="light {finding.severity}">{finding.severity}</span> <b>{finding.id} '
        f"{escape(finding.rule)}</b> {escape(finding.said)}.</p>{_numbers(finding.numbers)}<dl>"
        f"<dt>cause</dt><dd>{escape(finding.cause)}</dd><dt>fix</dt><dd>{escape(finding.fix)}</dd>"
        f"{changed}{features}</dl></li>"
    )


def _numbers(numbers: Sequence[Number]) -> str:
    if not numbers:
        return ""
    rows = "".join(
        f'<tr><td title="{escape(number.about)}">{escape(number.name)}</td>'
        + "".join(f"<td>{'–' if v is None else short(v)}</td>" for v in (number.value, number.limit, number.null))
        + "</tr>"
        for number in numbers
    )
    head = "<tr><th></th><th>here</th><th>begins at</th><th>null</th></tr>"
    return f'<div class="scroll"><table class="still"><thead>{head}</thead><tbody>{rows}</tbody></table></div>'
