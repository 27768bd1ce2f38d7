"""The parameters of somebody's step: which is the encoder, which way round, and how wide it is."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from sparsight.errors import SparsightError

Part = Literal["W_enc", "b_enc", "W_dec", "b_dec"]
_ORDERS: tuple[tuple[Part, ...], ...] = (("W_enc", "b_enc", "W_dec", "b_dec"), ("W_enc", "W_dec", "b_enc", "b_dec"))
_NAMES: dict[Part, str] = {
    "W_dec": r"w2|wd(ec)?|w(eight)?s?_?dec(oder)?|dec(oder)?_?(w(eights?)?|kernel|matrix)?|kernel2|weights?2|vt?",
    "b_dec": r"b2|b_?d(ec)?|b_dec(oder)?|bias_?dec(oder)?|dec(oder)?_?b(ias(es)?)?|bias2|c|b_?(v|x|out|pre|vis(ible)?)",
    "b_enc": r"b1?|b_?e(nc)?|b_enc(oder)?|bias_?enc(oder)?|enc(oder)?_?b(ias(es)?)?|bias1?|b_?h(id(den)?)?|hbias",
    "W_enc": r"w1?|we(nc)?|w(eight)?s?_?enc(oder)?|enc(oder)?_?(w(eights?)?|kernel|matrix)?|kernel1?|weights?1?|u",
}


def part_of(name: str) -> Part | None:
    """Which part a parameter is by its name, such as w1, encoder.weight, W_enc or b2."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return next((part for part, pattern in _NAMES.items() if re.fullmatch(pattern, plain)), None)


class Named(dict[str, Any]):
    """Parameters by name, as keys or as attributes."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]


class Unknown(Named):
    """Says which parameter is missing, asked for as a key or as an attribute."""

    def __missing__(self, name: str) -> Any:
        raise KeyError(name)


@dataclass(frozen=True)
class Layout:
    """Where the parts of a network with one hidden layer are among a step's parameters."""

    shapes: Mapping[str, tuple[int, ...]]
    parts: Mapping[Part, str]
    n_inputs: int
    n_latents: int
    listed: bool = False
    """The step takes a list and not a mapping."""

    def zeros(self) -> dict[str, np.ndarray]:
        """All parameters at 0."""
        return {name: np.zeros(shape) for name, shape in self.shapes.items()}

    def put(self, **values: np.ndarray | float) -> Any:
        """Parameters as the step takes them: the parts that are given, W_enc and W_dec as [D, F] and [F, D], else 0."""
        made = self.zeros()
        for part, value in values.items():
            name = self.parts.get(part)  # type: ignore[call-overload]
            if name is None:
                continue
            shape = made[name].shape
            first = self.n_inputs if part == "W_enc" else self.n_latents
            value = np.asarray(value, dtype=np.float64)
            turned = value.ndim == 2 and self.turned(part)
            made[name] = np.array(np.broadcast_to(value.T if turned else value, shape))
            assert value.ndim < 2 or value.shape[0] == first
        return list(made.values()) if self.listed else Named(made)

    def turned(self, part: str) -> bool:
        """Whether this matrix is stored as [outputs, inputs], as torch's layers have it."""
        shape = self.shapes[self.parts[part]]  # type: ignore[index]
        wanted = (self.n_inputs, self.n_latents) if part == "W_enc" else (self.n_latents, self.n_inputs)
        return shape != wanted


def read(given: Any, n_inputs: int | None, n_latents: int | None, listed: bool) -> Iterator[Layout]:
    """Every way to understand the parameters that somebody gave, as arrays or as shapes, the likeliest first.

    Raises:
        SparsightError: they are not those of one hidden layer.
    """
    items = given.items() if isinstance(given, Mapping) else [(str(i), each) for i, each in enumerate(given)]
    shapes = {str(name): _shape(each) for name, each in items}
    matrices = [name for name, shape in shapes.items() if len(shape) == 2]
    if len(matrices) not in (1, 2) or any(len(shape) > 2 for shape in shapes.values()):
        raise SparsightError(
            f"parameters of the shapes {', '.join(f'{n} {list(s)}' for n, s in shapes.items())} are not those of one "
            "hidden layer: one or two matrices, and biases"
        )
    by_name: dict[str, Part | None] = {name: part_of(name) for name in shapes}
    encoder = next((name for name in matrices if by_name[name] == "W_enc"), matrices[0])
    decoder = next((name for name in matrices if name != encoder), None)
    sizes = list(dict.fromkeys([shapes[encoder], shapes[encoder][::-1]]))
    lengths = [shape[0] for shape in shapes.values() if len(shape) == 1]
    if lengths and lengths[0] == sizes[0][0] != sizes[0][1] and len(lengths) > 1:
        sizes.reverse()  # the first bias is the encoder's
    for width, latents in sizes:
        if n_inputs not in (None, width) or n_latents not in (None, latents):
            continue
        parts: dict[Part, str] = {"W_enc": encoder}
        if decoder is not None:
            if sorted(shapes[decoder]) != sorted((width, latents)):
                raise SparsightError(
                    f"{encoder} {list(shapes[encoder])} and {decoder} {list(shapes[decoder])} do not fit"
                )
            parts["W_dec"] = decoder
        for name, shape in shapes.items():
            if len(shape) != 1:
                continue
            fits: list[Part] = [
                p for p, n in (("b_enc", latents), ("b_dec", width)) if shape[0] == n and p not in parts
            ]  # type: ignore[misc]
            part = by_name[name] if by_name[name] in fits else fits[0] if fits else None
            if part is not None:
                parts[part] = name
        yield Layout(shapes, parts, width, latents, listed)


def guessed(names: Sequence[str], n_inputs: int, n_latents: int) -> Iterator[Layout]:
    """Every way to make parameters of these names."""
    parts: dict[Part, str] = {}
    for name in names:
        part = part_of(name)
        if part is not None:
            parts[part] = name
    for turn_enc, turn_dec in ((False, False), (True, True), (True, False), (False, True)):
        shape: dict[Part, tuple[int, ...]] = {
            "W_enc": (n_latents, n_inputs) if turn_enc else (n_inputs, n_latents),
            "W_dec": (n_inputs, n_latents) if turn_dec else (n_latents, n_inputs),
            "b_enc": (n_latents,),
            "b_dec": (n_inputs,),
        }
        yield Layout({name: shape[part] for part, name in parts.items()}, parts, n_inputs, n_latents)


def listed(n_inputs: int, n_latents: int) -> Iterator[Layout]:
    """The usual orders of a list."""
    for order in _ORDERS:
        for layout in guessed(order, n_inputs, n_latents):
            yield replace(layout, listed=True)


def _shape(each: Any) -> tuple[int, ...]:
    if isinstance(each, int):
        return (each,)
    if isinstance(each, tuple | list) and all(isinstance(n, int) for n in each):
        return tuple(each)
    return tuple(int(n) for n in getattr(each, "shape", np.shape(each)))
