"""The part of the page about what was verified."""

from html import escape

from sparsight.core import SAE, Evidence
from sparsight.views import evidence as views
from sparsight.views.features import data_uri


def inner(evidence: Evidence, sae: SAE) -> str:
    """A row and a sentence for each claim, and the features."""
    body = "".join(
        f"<tr><td>{'●' if row['holds'] else '○'} {row['name']}</td><td>{row['value']}</td><td>{row['interval']}</td>"
        f"<td>{row['null']}</td></tr>"
        for row in views.rows(evidence)
    )
    head = "<tr><th>claim</th><th>value</th><th>95 %</th><th>null</th></tr>"
    table = f'<div class="scroll"><table class="still claims"><thead>{head}</thead><tbody>{body}</tbody></table></div>'
    said = "".join(
        f"<li><b>{escape(row['name'])}{'' if row['holds'] else ' (does not hold)'}</b>: {escape(row['said'])}.</li>"
        for row in views.rows(evidence)
    )
    left_out = "".join(
        f"<li><b>{escape(name)}</b> is left out: {escape(why)}.</li>" for name, why in evidence.left_out.items()
    )
    return f"{table}<ul>{said}{left_out}</ul>{_picture(evidence, sae)}"


def _picture(evidence: Evidence, sae: SAE) -> str:
    pixels = views.picture(evidence, sae)
    if pixels is None:
        return ""
    said = "decoder rows, the real ones first, in green, then by stability, from amber to red"
    image = f'<img alt="real features" src="{data_uri(pixels)}">'
    return (
        f'<figure data-name="real-features" class="real">{image}<figcaption><span>{said}</span></figcaption></figure>'
    )
