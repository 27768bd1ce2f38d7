"""What features do in the model that they come from, as tables and figures."""

from collections.abc import Mapping
from typing import Any

ROWS = {"spliced": "reconstruction", "mean": "mean (null)", "zero": "zeros (null)"}
GROUPS = {"samples": "in place of samples", "everywhere": "in place of all"}
MEANINGS = {
    "loss": "cross-entropy of the next token, in nats",
    "KL": "KL(model ‖ model with the replacement), in nats; 0: nothing changed",
    "recovered": "(loss with zeros − loss) / (loss with zeros − loss of the model), over all tokens",
    "by sequence": "the same of each sequence, then the mean",
    "over the mean": "as recovered, with the mean of the samples in place of zeros",
    "cosine": "between embeddings, each the mean of what the model gives over the places of a {unit}, with and without",
    "agreement": "share in which the first class stays the same",
}
PLACES = {
    "samples": "what the autoencoder was trained on",
    "everywhere": "also special tokens and attention sinks, which it never saw",
}


def described(record: Mapping[str, Any]) -> dict[str, Any]:
    """What `effects.measure_effects` gives, as a table in words.

    - `heads` of the columns after the first, and their `meanings`.
    - `groups`: what is replaced (`name`, `about`), and its `rows` as text, the model itself first and nulls last.
    - `said`: on what it was measured. `notes`. `beside`: how many tokens to each side are known of each feature.
    """
    kind = record["kind"]
    heads = {
        "next_token": ["loss", "KL", "recovered", "by sequence", "over the mean"],
        "embedding": ["cosine"],
        "classes": ["agreement", "KL"],
    }[kind]
    places = [place for place in GROUPS if record[place] is not None]
    return {
        "heads": heads,
        "meanings": {head: MEANINGS[head].format(unit=record["unit"]) for head in heads},
        "groups": [
            {"name": GROUPS[place], "about": PLACES[place], "rows": _rows(record, place, heads)} for place in places
        ],
        "said": _said(record),
        "notes": list(record["notes"]),
        "beside": record["beside"],
    }


def tiles(record: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The figure that matters most: its name, its value, and its nulls."""
    samples = record["samples"]
    if record["kind"] == "next_token":
        value = samples["loss_recovered"]["zero"]["ratio_of_means"]
        mean = _recovered(record, "samples", "mean", "zero")
        return [("loss recovered in the model", _percent(value), f"zeros 0.0%, mean {_percent(mean)}")]
    name, key, form = {
        "embedding": ("embedding's cosine after splicing", "cosine", _short),
        "classes": ("same class after splicing", "agreement", _percent),
    }[record["kind"]]
    nulls = ", ".join(f"{floor} {form(samples[of][key])}" for floor, of in (("zeros", "zero"), ("mean", "mean")))
    return [(name, form(samples["spliced"][key]), nulls)]


def _rows(record: Mapping[str, Any], place: str, heads: list[str]) -> list[list[str]]:
    found = [] if record["kind"] != "next_token" else [["the model itself", *_cells(record, place, None, heads)]]
    return [*found, *([said, *_cells(record, place, name, heads)] for name, said in ROWS.items())]


def _cells(record: Mapping[str, Any], place: str, name: str | None, heads: list[str]) -> list[str]:
    """A row; `name`: None, the model as it is."""
    one = record["clean"] if name is None else record[place][name]

    def by_sequence() -> float | None:
        return record[place]["loss_recovered"]["zero"]["mean_of_ratios"] if name == "spliced" else None

    cells = {
        "loss": lambda: _short(one["loss"]),
        "KL": lambda: _short(one.get("kl")),
        "recovered": lambda: _percent(_recovered(record, place, name, "zero")),
        "by sequence": lambda: _percent(by_sequence()),
        "over the mean": lambda: _percent(_recovered(record, place, name, "mean")),
        "cosine": lambda: _short(one["cosine"]),
        "agreement": lambda: _percent(one["agreement"]),
    }
    return [cells[head]() for head in heads]


def _recovered(record: Mapping[str, Any], place: str, name: str | None, floor: str) -> float | None:
    """(L_floor − L) / (L_floor − L_clean) of a row."""
    clean, high = record["clean"]["loss"], record[place][floor]["loss"]
    now = clean if name is None else record[place][name]["loss"]
    return None if None in (clean, high, now) or high == clean else (high - now) / (high - clean)


def _said(record: Mapping[str, Any]) -> str:
    some = "" if record["blocks"] == record["of_blocks"] else f", {record['blocks']} of {record['of_blocks']} blocks"
    return (
        f"{' and '.join(record['at'])} of {record['model']}, {record['replaced']:,} samples replaced in "
        f"{record['measured_on']}{some}; figures are means over {record['n']:,} {record['unit']}s"
    )


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
