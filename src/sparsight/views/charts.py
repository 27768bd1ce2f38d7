"""Charts as SVG: each function gives the text of one picture that stands alone, in light and in dark."""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import pairwise

import numpy as np

COLOURS = ("#3b7dd8", "#e07b39", "#3a9d5d", "#c2477f", "#8a63c9", "#b08a1e", "#2a9d9d", "#d0504b", "#7a7f87", "#6b8e23")
UNKNOWN = "#9a9a9a"
WIDTH, HEIGHT = 480, 270
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 30, 42
Range = tuple[float, float]
NAMED = 12
"""Marked points that are written beside, at most."""


class Frame:
    """Axes that map numbers to places."""

    def __init__(self, x: Range, y: Range, *, log_x: bool = False, log_y: bool = False) -> None:
        self.log = (log_x, log_y)
        self.spans = tuple(_widened(span, log) for span, log in zip((x, y), self.log, strict=True))

    def place(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Pixels of points, [n, 2]."""
        fractions = [self._fraction(v, axis) for axis, v in enumerate((x, y))]
        return np.stack(
            [LEFT + fractions[0] * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - fractions[1] * (HEIGHT - TOP - BOTTOM)], 1
        )

    def _fraction(self, values: np.ndarray, axis: int) -> np.ndarray:
        low, high = self.spans[axis]
        values = np.asarray(values, dtype=np.float64)
        if self.log[axis]:
            values, low, high = np.log10(np.maximum(values, low)), math.log10(low), math.log10(high)
        return (values - low) / (high - low)

    def draw(self, x: str, y: str) -> str:
        """Ticks, lines and names of the axes."""
        parts = []
        for tick in _ticks(self.spans[0], self.log[0]):
            at = self.place(np.array([tick]), np.array([self.spans[1][0]]))[0, 0]
            parts.append(f'<path d="M{at:.1f} {HEIGHT - BOTTOM}v4" stroke="currentColor" opacity=".5"/>')
            parts.append(_text(at, HEIGHT - BOTTOM + 16, short(tick), "middle"))
        for tick in _ticks(self.spans[1], self.log[1]):
            at = self.place(np.array([self.spans[0][0]]), np.array([tick]))[0, 1]
            parts.append(f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="currentColor" opacity=".14"/>')
            parts.append(_text(LEFT - 6, at + 4, short(tick), "end"))
        parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x, "middle"))
        middle = (TOP + HEIGHT - BOTTOM) / 2
        parts.append(f'<g transform="rotate(-90 12 {middle})">{_text(12, middle, y, "middle")}</g>')
        return "".join(parts)


def lines(series: Mapping[str, tuple[np.ndarray, np.ndarray]], *, x: str, y: str, log_y: bool = False) -> str:
    """Curves by name. On a logarithmic axis what is not above 0 is left out."""
    kept = {}
    for name, (xs, ys) in series.items():
        good = np.isfinite(ys) & ((ys > 0) | (not log_y))
        if good.any():
            kept[name] = (np.asarray(xs)[good], np.asarray(ys)[good])
    if not kept:
        return empty(f"{y}: nothing was logged")
    frame = Frame(_range(xs for xs, _ in kept.values()), _range(ys for _, ys in kept.values()), log_y=log_y)
    drawn = []
    for colour, (xs, ys) in zip(_colours(len(kept)), kept.values(), strict=True):
        path = "L".join(f"{a:.1f} {b:.1f}" for a, b in frame.place(xs, ys))
        drawn.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round"/>')
    return _svg(frame.draw(x, y) + "".join(drawn) + _legend(list(kept)))


def areas(xs: np.ndarray, shares: Mapping[str, np.ndarray], *, x: str, y: str) -> str:
    """Shares that add up to 1, one on the other."""
    if not shares or not len(xs):
        return empty(f"{y}: nothing was logged")
    frame = Frame((float(min(xs)), float(max(xs))), (0.0, 1.0))
    floor = np.zeros(len(xs))
    drawn = []
    for colour, share in zip(_colours(len(shares)), shares.values(), strict=True):
        roof = floor + np.nan_to_num(share)
        outline = np.concatenate([frame.place(xs, roof), frame.place(xs, floor)[::-1]])
        drawn.append(f'<path d="M{"L".join(f"{a:.1f} {b:.1f}" for a, b in outline)}Z" fill="{colour}" opacity=".8"/>')
        floor = roof
    return _svg("".join(drawn) + frame.draw(x, y) + _legend(list(shares)))


def bars(
    counts: np.ndarray,
    edges: np.ndarray,
    *,
    x: str,
    y: str,
    log_x: bool = False,
    marks: Mapping[str, float] | None = None,
) -> str:
    """A histogram, with named lines at some values."""
    marks = {name: at for name, at in (marks or {}).items() if math.isfinite(at) and (at > 0 or not log_x)}
    reach = [edges, *(np.array([at]) for at in marks.values())]
    frame = Frame(_range(reach), (0.0, float(max(1, counts.max(initial=0)))), log_x=log_x)
    drawn = []
    for count, (low, high) in zip(counts, pairwise(edges), strict=True):
        (left, top), (right, bottom) = frame.place(np.array([low, high]), np.array([float(count), 0.0]))
        size = f'width="{max(0.5, right - left - 0.6):.1f}" height="{bottom - top:.1f}"'
        drawn.append(f'<rect x="{left:.1f}" y="{top:.1f}" {size} fill="{COLOURS[0]}"/>')
    for number, (name, at) in enumerate(marks.items()):
        place = frame.place(np.array([at]), np.array([0.0]))[0, 0]
        line = f'd="M{place:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="{COLOURS[1 + number]}"'
        drawn.append(f'<path {line} stroke-width="2" stroke-dasharray="5 3"/>')
        right = place > WIDTH * 0.7
        drawn.append(_text(place + (-5 if right else 5), TOP + 12 + 14 * number, name, "end" if right else "start"))
    return _svg("".join(drawn) + frame.draw(x, y))


def scatter(points: np.ndarray, groups: np.ndarray | None, names: Sequence[str] | None, *, x: str, y: str) -> str:
    """Points [n, 2], coloured by group where they have one, and grey where it is −1."""
    if not len(points):
        return empty("there is nothing to show")
    frame = Frame(_range([points[:, 0]]), _range([points[:, 1]]))
    colours = _colours(max(1, len(names or ())))
    drawn = []
    for number, (a, b) in enumerate(frame.place(points[:, 0], points[:, 1])):
        group = 0 if groups is None else int(groups[number])
        colour = colours[group] if group >= 0 else UNKNOWN
        drawn.append(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.2" fill="{colour}"/>')
    return _svg(frame.draw(x, y) + f'<g opacity=".75">{"".join(drawn)}</g>' + _legend(list(names or ())))


def chosen(
    xs: np.ndarray,
    ys: np.ndarray,
    names: Sequence[str],
    marked: np.ndarray,
    *,
    x: str,
    y: str,
    log_x: bool,
    counts: bool,
    links: Sequence[str] | None = None,
) -> str:
    """Named points, those that are marked large and in colour and joined; counts stand on 0 and are not joined.

    With `links` each point leads somewhere, by mouse and by keyboard, and the names of marked ones stand beside them.
    """
    if not len(xs):
        return empty("there is nothing to show yet")
    frame = Frame(_range([xs]), _range([ys, np.array([0.0, 1.0])] if counts else [ys]), log_x=log_x)
    places = frame.place(xs, ys)
    drawn = []
    if not counts:
        path = "L".join(f"{a:.1f} {b:.1f}" for a, b in places[marked][np.argsort(xs[marked])])
        drawn.append(f'<path d="M{path}" fill="none" stroke="{COLOURS[0]}" stroke-width="1.5" opacity=".6"/>')
    for number in np.argsort(marked, kind="stable"):  # those that are marked last, so that none lies below others
        (a, b), name = places[number], names[int(number)]
        size, colour = (4.5, COLOURS[0]) if marked[number] else (3, UNKNOWN)
        title = f"<title>{escape(name)}</title>"
        dot = f'<circle cx="{a:.1f}" cy="{b:.1f}" r="{size}" fill="{colour}">{title}</circle>'
        if links is None:
            drawn.append(dot)
            continue
        if marked[number] and marked.sum() <= NAMED:
            near = a < LEFT + 90  # beside the axis there is no room to the left
            dot += _text(a + (-4 if near else -9), b - (10 if near else 7), name, "start" if near else "end")
        drawn.append(f'<a href="{escape(links[int(number)])}" aria-label="{escape(name)}">{dot}</a>')
    return _svg(frame.draw(x, y) + "".join(drawn), role="img" if links is None else "group")


def polar(orientation: np.ndarray, frequency: np.ndarray, weight: np.ndarray) -> str:
    """Orientations, 0 to π, as angles over half a circle, and frequencies in cycles per pixel as radii up to ½."""
    middle, foot, reach = WIDTH / 2, HEIGHT - BOTTOM, HEIGHT - TOP - BOTTOM
    drawn = []
    for ring in (0.1, 0.2, 0.3, 0.4, 0.5):
        r = reach * ring / 0.5
        arc = f"M{middle - r:.1f} {foot}A{r:.1f} {r:.1f} 0 0 1 {middle + r:.1f} {foot}"
        drawn.append(f'<path d="{arc}" fill="none" stroke="currentColor" opacity=".2"/>')
        drawn.append(_text(middle + r, foot + 14, f"{ring:g}", "middle"))
    for angle, f, strong in zip(orientation, frequency, weight, strict=True):
        if math.isfinite(angle) and math.isfinite(f):
            a, b = middle + reach * f / 0.5 * math.cos(angle), foot - reach * f / 0.5 * math.sin(angle)
            opacity = min(1.0, max(0.08, float(strong)))
            drawn.append(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.4" fill="{COLOURS[0]}" opacity="{opacity:.2f}"/>')
    drawn.append(
        _text(middle, HEIGHT - 8, "angle: orientation; radius: cycles per pixel; darker: better fit", "middle")
    )
    return _svg("".join(drawn))


def empty(said: str) -> str:
    """A chart of nothing, which says so."""
    return _svg(_text(WIDTH / 2, HEIGHT / 2, said, "middle"))


def short(value: float) -> str:
    """A number as people write it on an axis."""
    if value and (abs(value) >= 1e5 or abs(value) < 1e-3):
        mantissa, exponent = f"{value:.0e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{value:.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


def _svg(inner: str, role: str = "img") -> str:
    """A picture; as a `group` it has parts that can be chosen."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="{role}"'
    return f'{head} font-family="system-ui, sans-serif" font-size="12">{inner}</svg>'


def _text(x: float, y: float, said: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor">{escape(said)}</text>'


def _colours(n: int) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(n)]


def _legend(names: list[str]) -> str:
    if len(names) < 2:
        return ""
    drawn, left, top = [], float(LEFT), 10
    for name, colour in zip(names, _colours(len(names)), strict=True):
        width = 24 + 6.8 * len(name)
        if left + width > WIDTH and left > LEFT:
            left, top = float(LEFT), top + 14
        drawn.append(f'<rect x="{left:.0f}" y="{top - 7}" width="10" height="10" rx="2" fill="{colour}"/>')
        drawn.append(_text(left + 14, top + 2, name, "start"))
        left += width
    return "".join(drawn)


def _range(values: Iterable[np.ndarray]) -> Range:
    finite = np.concatenate([np.asarray(v, dtype=np.float64)[np.isfinite(v)] for v in values])
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)


def _widened(span: Range, log: bool) -> Range:
    low, high = span
    if log:
        low = max(low, high * 1e-9, 1e-300)
        return (low, high) if high > low else (low / 2, low * 2)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _ticks(span: Range, log: bool) -> list[float]:
    low, high = span
    if log:
        first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
        step = max(1, (last - first) // 5)
        found = [10.0**n for n in range(first, last + 1, step)]
        return found if len(found) > 1 else [low, high]
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= next(m for m in (1, 2, 5, 10) if (high - low) / (m * step) <= 5)
    return [n * step for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
