"""Make the pictures of faults, `make figures`, and the table of how the bench of broken models comes out."""

import argparse
from pathlib import Path


from sparsight.views.pictures import png
from tools.fault_pictures import PICTURES

OUT = Path(__file__).parents[1] / "docs" / "figures" / "faults"


def main() -> None:
    """All pictures, or those of the rules named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rules", nargs="*", help="draw these alone")
    asked = parser.parse_args()
    for rule in asked.rules or PICTURES:
        draw(rule)


def draw(rule: str) -> None:
    """Write one picture: charts as SVG, and grids, which are grey, with one channel."""
    OUT.mkdir(parents=True, exist_ok=True)
    made = PICTURES[rule]()
    if isinstance(made, str):
        (OUT / f"{rule}.svg").write_text(made, encoding="utf-8")
    else:
        (OUT / f"{rule}.png").write_bytes(png(made[..., 0]))


if __name__ == "__main__":
    main()
