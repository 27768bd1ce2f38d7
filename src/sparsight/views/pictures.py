"""Grids of filters as PNG."""

import io
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from sparsight.meters.shape import white_noise
from sparsight.run import Run

GUTTER, LINE = 1, 0.4
"""Pixels between two filters, and their grey, a little below that of 0."""
LEADING = 1.4
"""The height of a line of text per size of its letters."""
GAP = 12
"""Pixels between two pictures."""
PAPER, INK = (255, 255, 255), (30, 30, 30)


def grid(
    filters: Tensor,
    shape: tuple[int, ...],
    *,
    scale: Literal["own", "shared"] = "own",
    zoom: int = 2,
    columns: int | None = None,
) -> np.ndarray:
    """Filters as one picture with mid-grey at 0 and a line between filters.

    Args:
        filters: [F, D].
        shape: of one filter, (height, width) or (height, width, channels).
        scale: each filter is divided by its own largest |w|, or by the largest of all.
        zoom: pixels of the picture per pixel of a filter.
        columns: filters in a row; None: as many as make the grid near-square.

    Returns:
        uint8, [height, width, 3].
    """
    weights = filters.detach().float().cpu().unflatten(1, (*shape[:2], -1))  # [F, H, W, C]
    peak = weights.abs().amax(dim=(1, 2, 3), keepdim=True)
    peak = peak if scale == "own" else peak.amax().expand_as(peak)
    pixels = tiled(coloured(0.5 + 0.5 * weights / peak.clamp_min(1e-12)), columns)
    return pixels.repeat(zoom, axis=0).repeat(zoom, axis=1)


def tiled(tiles: Tensor, columns: int | None = None) -> np.ndarray:
    """Pictures in rows, with a line around each.

    Args:
        tiles: [n, H, W, 3], 0 to 1.
        columns: of tiles; None: as many as make it near-square.

    Returns:
        uint8, [height, width, 3].
    """
    n, height, width, _ = tiles.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    canvas = torch.full((rows * (height + GUTTER) + GUTTER, columns * (width + GUTTER) + GUTTER, 3), LINE)
    for at, tile in enumerate(tiles):
        top, left = GUTTER + at // columns * (height + GUTTER), GUTTER + at % columns * (width + GUTTER)
        canvas[top : top + height, left : left + width] = tile
    return (255 * canvas).round().to(torch.uint8).numpy()


def coloured(pictures: Tensor) -> Tensor:
    """[n, H, W, C] as [n, H, W, 3]: one channel is grey, of more the first three are red, green and blue."""
    three = pictures if pictures.shape[3] >= 3 else pictures[..., :1].expand(-1, -1, -1, 3)
    return three[..., :3].clamp(0, 1)


def captioned(
    picture: np.ndarray, *, above: Sequence[str] = (), below: Sequence[str] = (), size: int = 15
) -> np.ndarray:
    """A picture with lines of text above and below it, on paper as wide as the widest of them."""
    font = ImageFont.load_default(size)
    line = round(LEADING * size)
    width = max([picture.shape[1], *(math.ceil(font.getlength(text)) for text in (*above, *below))])
    top = line * len(above)
    bottom = top + picture.shape[0] + (size // 4 if below else 0)
    page = Image.new("RGB", (width, bottom + line * len(below)), PAPER)
    page.paste(Image.fromarray(picture), (0, top))
    pen = ImageDraw.Draw(page)
    for start, lines in ((0, above), (bottom, below)):
        for n, text in enumerate(lines):
            pen.text((0, start + n * line), text, fill=INK, font=font)
    return np.asarray(page)


def sheet(pictures: Sequence[np.ndarray], *, columns: int, gap: int = GAP, margin: int = 0) -> np.ndarray:
    """Pictures in rows, `columns` to a row, with paper between and around them."""
    rows = [pictures[start : start + columns] for start in range(0, len(pictures), columns)]
    width = max(sum(picture.shape[1] for picture in row) + gap * (len(row) - 1) for row in rows)
    heights = [max(picture.shape[0] for picture in row) for row in rows]
    size = (sum(heights) + gap * (len(rows) - 1) + 2 * margin, width + 2 * margin, 3)
    page = np.full(size, PAPER, np.uint8)
    top = margin
    for row, height in zip(rows, heights, strict=True):
        left = margin
        for picture in row:
            page[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
            left += picture.shape[1] + gap
        top += height + gap
    return page


def side_by_side(panels: dict[str, np.ndarray]) -> np.ndarray:
    """Pictures in a row, each below its caption."""
    captions = [captioned(panel, above=[caption]) for caption, panel in panels.items()]
    return sheet(captions, columns=len(panels), margin=GAP)


def png(picture: np.ndarray) -> bytes:
    """A picture as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def feature_pictures(run: Run) -> dict[str, bytes]:
    """Encoder, decoder and null grids of a run in raw units, alone and beside each other; none without a geometry.

    Decoder rows are there where targets have the geometry of inputs.
    """
    sae = run.sae()
    shape = sae.schema.shape
    if shape is None:
        return {}
    panels = {
        **{of: grid(weights, shape) for of, weights in sae.filters_of_inputs().items()},
        "null": grid(white_noise(sae.n_latents, sae.n_inputs), shape),
    }
    captions = {"encoder": "encoder", "decoder": "decoder", "null": "null: white noise"}
    together = side_by_side({captions[name]: panel for name, panel in panels.items()})
    return {**{f"{name}.png": png(panel) for name, panel in panels.items()}, "features.png": png(together)}
