"""Make the pictures of faults, `make figures`, and run the bench of broken models, `make confusion`."""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from faults import bench

from sparsight.views.pictures import png
from tools import fault_charts, fault_grids  # noqa: F401 - they fill PICTURES
from tools.faulty import PICTURES

DOCS = Path(__file__).parents[1] / "docs"
FIGURES = DOCS / "figures" / "faults"
CONFUSION = DOCS / "faults" / "confusion.json"


def main() -> None:
    """All pictures, or those of the rules named; or the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rules", nargs="*", help="draw these alone")
    parser.add_argument("--confusion", action="store_true", help="run the bench in place of drawing")
    asked = parser.parse_args()
    if asked.confusion:
        halves = {"chosen on": confused(bench.calibration()), "tested on": confused(bench.unseen())}
        CONFUSION.write_text(_rows(halves), encoding="utf-8")
        return
    for rule in asked.rules or PICTURES:
        draw(rule)


def draw(rule: str) -> None:
    """Write one picture: a chart as SVG, a grid with one channel, as it is grey."""
    FIGURES.mkdir(parents=True, exist_ok=True)
    made = PICTURES[rule]()
    if isinstance(made, str):
        (FIGURES / f"{rule}.svg").write_text(made, encoding="utf-8")
    else:
        (FIGURES / f"{rule}.png").write_bytes(png(made[..., 0]))


def confused(entries: list[bench.Entry]) -> list[dict[str, Any]]:
    """For each model what was planted in it, and what was found, in the order of the findings."""
    rows = []
    for number, entry in enumerate(entries, 1):
        with TemporaryDirectory() as folder:
            found = [[each.rule, each.severity] for each in entry.look(Path(folder))]
        rows.append({"planted": entry.rule, "data": entry.data, "kind": entry.kind, "found": found})
        print(f"{number} of {len(entries)}  {entry.name}: {', '.join(rule for rule, _ in found[:3])}", flush=True)
    return rows


def _rows(halves: dict[str, list[dict[str, Any]]]) -> str:
    """As JSON with a line for each model."""
    texts = []
    for name, rows in halves.items():
        lines = ",\n".join(json.dumps(row) for row in rows)
        texts.append(f"{json.dumps(name)}: [\n{lines}\n]")
    return "{\n" + ",\n".join(texts) + "\n}\n"


if __name__ == "__main__":
    main()
