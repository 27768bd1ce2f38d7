"""Grids of filters as PNG."""

import io
import math
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from sparsight.meters.shape import white_noise
from sparsight.run import Run

GUTTER, LINE = 1, 0.4
"""Pixels between two filters, and their grey, a little below that of 0."""
CAPTION = 22
PAPER, INK = (255, 255, 255), (30, 30, 30)


def grid(
    filters: Tensor, shape: tuple[int, ...], *, scale: Literal["own", "shared"] = "own", zoom: int = 2
) -> np.ndarray:
    """Filters as one picture, near-square, with mid-grey at 0 and a line between filters.

    Args:
        filters: [F, D].
        shape: of one filter, (height, width) or (height, width, channels).
        scale: each filter is divided by its own largest |w|, or by the largest of all.
        zoom: pixels of the picture per pixel of a filter.

    Returns:
        uint8, [height, width, 3].
    """
    weights = filters.detach().float().cpu().unflatten(1, (*shape[:2], -1))  # [F, H, W, C]
    peak = weights.abs().amax(dim=(1, 2, 3), keepdim=True)
    peak = peak if scale == "own" else peak.amax().expand_as(peak)
    pixels = tiled(coloured(0.5 + 0.5 * weights / peak.clamp_min(1e-12)))
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


def side_by_side(panels: dict[str, np.ndarray]) -> Image.Image:
    """Pictures in a row, each below its caption."""
    font = ImageFont.load_default(15)
    gap = 12
    width = sum(panel.shape[1] for panel in panels.values()) + gap * (len(panels) + 1)
    height = max(panel.shape[0] for panel in panels.values()) + CAPTION + 2 * gap
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    left = gap
    for caption, panel in panels.items():
        pen.text((left, gap // 2), caption, fill=INK, font=font)
        sheet.paste(Image.fromarray(panel), (left, gap // 2 + CAPTION))
        left += panel.shape[1] + gap
    return sheet


def png(picture: Image.Image | np.ndarray) -> bytes:
    """A picture as the bytes of a PNG file."""
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def feature_pictures(run: Run) -> dict[str, bytes]:
    """Encoder, decoder and null grids of a run in raw units, alone and beside each other; none without a geometry."""
    sae = run.sae()
    shape = sae.schema.shape
    if shape is None:
        return {}
    panels = {
        "encoder": grid(sae.preprocess.filters_in_raw_units(sae.W_enc), shape),
        "decoder": grid(sae.preprocess.rows_in_raw_units(sae.W_dec), shape),
        "null": grid(white_noise(sae.n_latents, sae.n_inputs), shape),
    }
    captions = {"encoder": "encoder", "decoder": "decoder", "null": "null: white noise"}
    sheet = side_by_side({captions[name]: panel for name, panel in panels.items()})
    return {**{f"{name}.png": png(panel) for name, panel in panels.items()}, "features.png": png(sheet)}
