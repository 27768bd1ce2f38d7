"""Somebody's function, called with copies of arrays and always from the same random numbers."""

import contextlib
import inspect
import io
import random
import re
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch

from sparsight.errors import SparsightError
from sparsight.objectives.parameters import Unknown, part_of
from sparsight.objectives.reach import code_of, generators_of, modules_of

Kind = Literal["terms", "step"]
Arrays = Any
"""An array, or a mapping or a list of them."""

_ROLES = {
    "x": "x xs data input inputs batch image images sample samples target targets y_true x_true original true",
    "codes": "codes code h hidden hiddens z a act acts activation activations latent latents f features s",
    "recon": "recon reconstruction reconstructed rec r x_hat xhat x_rec x_recon y y_hat y_pred out output outputs "
    "decoded pred prediction",
    "parameters": "parameters parameter params param p weights ws theta thetas variables model state pars",
    "dice": "rng generator gen seed dice key",
}
ROLES = {name: role for role, names in _ROLES.items() for name in names.split()}
SWITCHES = frozenset(
    [
        "training",
        "train",
        "is_training",
        "noise",
        "noisy",
        "scale",
        "std",
        "sigma",
        "noise_std",
        "noise_scale",
        "corrupt",
        "denoise",
    ]
)
"""Arguments that can switch noise off."""
_PRECISIONS = (("torch", np.float64), ("torch", np.float32), ("numpy", np.float64), ("numpy", np.float32))


class Function:
    """fn(x, codes, reconstruction) or fn(x, parameters), as a function of NumPy's arrays in float64.

    Torch's tensors are tried first and NumPy's arrays then, or the other way round where the function's module knows no
    torch. Precision falls to float32 where float64 is refused.

    Raises:
        SparsightError: it takes other arguments.
    """

    def __init__(self, fn: Callable[..., Any]) -> None:
        if not callable(fn):
            raise SparsightError(f"an objective is a function, and this is {type(fn).__name__}")
        self.fn = fn
        self.name: str = getattr(fn, "__name__", type(fn).__name__)
        self.code = code_of(fn)
        self.modules = modules_of(self.code)
        self.backend, self.dtype = _PRECISIONS[0]
        self.changes_inputs = False
        self.off: dict[str, Any] = {}
        """Arguments that switch its noise off."""
        self._precise = True
        self._generators = generators_of(fn, self.code)
        self.kind, self.names, self.split, self.switches = self._read()

    @property
    def _order(self) -> tuple[tuple[str, Any], ...]:
        torch_first = "torch" in self.modules or not self.modules
        return _PRECISIONS if torch_first else (*_PRECISIONS[2:], *_PRECISIONS[:2])

    @property
    def language(self) -> str:
        """What its lines are written in."""
        known = [name for name in ("tensorflow", "keras", "jax") if name in self.modules]
        return self.backend if self.backend == "torch" or not known else known[0]

    def local(self, role: str, otherwise: str) -> str:
        """What the function calls its codes or its reconstruction."""
        names = self.code.__code__.co_varnames if isinstance(self.code, types.FunctionType) else ()
        return next((name for name in names if ROLES.get(name.lower()) == role and len(name) > 1), otherwise)

    def _read(self) -> tuple[Kind, dict[str, str], tuple[str, ...], dict[str, Any]]:
        """Its kind, the name of each role, the names of parameters that are arguments of their own, its switches."""
        try:
            every = inspect.signature(self.fn).parameters.values()
        except (TypeError, ValueError):
            raise SparsightError(f"the arguments of {self.name} cannot be read: wrap it in a def") from None
        named = [p for p in every if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        if len(named) < len(list(every)) and len(named) < 2:
            raise SparsightError(f"{self.name} takes *arguments: {_SAY}")
        roles = {p.name: ROLES.get(p.name.lower()) for p in named}
        asked = [p.name for p in named if p.default is p.empty or roles[p.name] == "parameters"]
        switches = {p.name: p.default for p in named if p.name.lower() in SWITCHES and p.name not in asked}
        dice = [name for name in asked if roles[name] == "dice"]
        names = {"dice": dice[0]} if dice else {}
        rest = [name for name in asked if name not in names.values()]
        known = {role: name for name in rest if (role := roles[name]) is not None}
        if len(rest) == 3 and len({"x", "codes", "recon"} & known.keys()) >= 2 and "parameters" not in known:
            unknown = [name for name in rest if name not in known.values()]
            missing = [role for role in ("x", "codes", "recon") if role not in known]
            known.update(zip(missing, unknown, strict=False))
            if len(known) == 3:
                return "terms", {**names, **known}, (), switches
        if len(rest) == 2 and not {"codes", "recon"} & known.keys():
            named_so = known.get("parameters")
            x = next(name for name in rest if name != named_so)
            other = next(name for name in rest if name != x)
            return "step", {**names, "x": x, "parameters": other}, (), switches
        split = tuple(name for name in rest if part_of(name) is not None and roles[name] in (None, "parameters"))
        if "W_enc" in map(part_of, split) and len(rest) == len(split) + 1:
            return "step", {**names, "x": next(name for name in rest if name not in split)}, split, switches
        raise SparsightError(f"{self.name}({', '.join(rest)}) can be read in more ways than one: {_SAY}")

    def settle(self, **arrays: Arrays) -> None:
        """Find the arrays that it can be called with.

        Raises:
            SparsightError: it can be called with none.
        """
        failures: dict[tuple[str, Any], Exception] = {}
        for how in self._order:
            self.backend, self.dtype = how
            try:
                self.terms(arrays, graph=True)
            except _CallFailed as failed:
                failures[how] = failed.reason
            else:
                self.dtype = np.float64 if self._precise else np.float32
                return
        self.backend, self.dtype = self._order[0]
        raise SparsightError(self._failure(failures[self._order[1]], arrays))

    def asks(self, x: np.ndarray, parameters: Unknown) -> str | None:
        """The parameter that it asks for and that is not there, or None."""
        for how in self._order:
            self.backend, self.dtype = how
            try:
                self.terms({"x": x, "parameters": parameters})
            except _CallFailed as failed:
                if isinstance(failed.reason, KeyError):
                    said = str(failed.reason.args[0])
                    within = re.search(r"KeyError: '([^']+)'", said)  # tf.function wraps it
                    return within[1] if within else said
            else:
                break
        return None

    def _failure(self, reason: Exception, arrays: Mapping[str, Arrays]) -> str:
        shapes = ", ".join(_shapes(name, array) for name, array in arrays.items())
        text = (str(reason).strip().splitlines() or [""])[0].rstrip(".")
        return f"{self.name} raises {type(reason).__name__}: {text}; it was called with {shapes}"

    def __call__(self, seed: int = 0, **arrays: Arrays) -> float:
        """The whole loss."""
        try:
            return sum(self.terms(arrays, seed=seed).values())
        except _CallFailed as failed:
            raise SparsightError(self._failure(failed.reason, arrays)) from None

    def tried(self, seed: int = 0, **arrays: Arrays) -> float | None:
        """The whole loss, or None where these arrays make the function raise."""
        try:
            return sum(self.terms(arrays, seed=seed).values())
        except _CallFailed:
            return None

    def terms(self, arrays: Mapping[str, Arrays], *, seed: int = 0, graph: bool = False) -> dict[str, float]:
        """Its summands by name; `loss` alone where it gives one number."""
        made, _ = self._made(arrays, graph=graph)
        values, _ = self._called(made, seed)
        given = [np.asarray(a.detach() if isinstance(a, torch.Tensor) else a) for a in _flat(made)]
        self.changes_inputs |= any(
            not np.array_equal(a, b.astype(a.dtype), equal_nan=True) for a, b in zip(given, _flat(arrays), strict=True)
        )
        return values

    def finite(self, arrays: Mapping[str, Arrays]) -> bool:
        """Whether loss and gradients are finite, in float32 under torch; gradients where autograd reaches them."""
        dtype, self.dtype = self.dtype, np.float32 if self.backend == "torch" else self.dtype
        try:
            made, leaves = self._made(arrays, graph=True)
            values, result = self._called(made, 0)
        except _CallFailed:
            return True
        finally:
            self.dtype = dtype
        if not np.isfinite(list(values.values())).all():
            return False
        if not (isinstance(result, torch.Tensor) and result.requires_grad):
            return True
        found = torch.autograd.grad(result.sum(), leaves, allow_unused=True)
        return all(bool(g.isfinite().all()) for g in found if g is not None)

    def _made(self, arrays: Mapping[str, Arrays], *, graph: bool) -> tuple[dict[str, Any], list[torch.Tensor]]:
        leaves: list[torch.Tensor] = []

        def make(array: np.ndarray, *, wanted: bool) -> Any:
            copy = np.array(array, dtype=self.dtype)
            if self.backend == "numpy":
                return copy
            tensor = torch.from_numpy(copy)
            if not (graph and wanted):
                return tensor
            leaves.append(tensor.requires_grad_())
            return tensor.clone()  # no leaf, so that it may be changed in place as a layer's output may

        return {name: _mapped(lambda a, n=name: make(a, wanted=n != "x"), a) for name, a in arrays.items()}, leaves

    def _called(self, made: Mapping[str, Any], seed: int) -> tuple[dict[str, float], Any]:
        named: dict[str, Any] = {}
        for role, value in made.items():
            if "jax" in self.modules and isinstance(value, dict):
                value = dict(value)  # the only mapping that jax.jit looks into
            named.update(value if role == "parameters" and self.split else {self.names[role]: value})
        if "dice" in self.names:
            named[self.names["dice"]] = self._dice(seed)
        self._seed(seed)
        quiet = contextlib.redirect_stdout(io.StringIO())
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"), quiet:
                warnings.simplefilter("ignore")
                result = self.fn(**named, **self.off)
        except (Exception, SystemExit) as error:
            raise _CallFailed(error if isinstance(error, Exception) else RuntimeError("it ends the program")) from None
        if isinstance(result, Mapping):
            numbers = {str(name): self._number(value, f"its summand {name!r}") for name, value in result.items()}
            tensors = [value for value in result.values() if isinstance(value, torch.Tensor)]
            return numbers, sum(tensors[1:], tensors[0]) if tensors else None
        return {"loss": self._number(result, "it")}, result

    def _number(self, result: Any, what: str) -> float:
        if result is None:
            raise SparsightError(f"{self.name} returns nothing: end it with `return loss`")
        if isinstance(result, tuple | list):
            raise SparsightError(
                f"{self.name} returns {len(result)} things: return the loss alone, or a dict of summands"
            )
        array = result.detach() if isinstance(result, torch.Tensor) else result
        try:
            array = np.asarray(array)
            self._precise = array.dtype.itemsize >= 8  # some libraries take float64 and go on in float32
            array = array.astype(np.float64)
        except (TypeError, ValueError):
            raise SparsightError(f"{self.name} returns {type(result).__name__}, and a loss is a number") from None
        if array.size != 1:
            raise SparsightError(
                f"{self.name} returns an array, {what} has the shape {list(array.shape)}, and a loss is one number: "
                "take the sum over inputs or features and the mean over samples"
            )
        return float(array.reshape(()))

    def _seed(self, seed: int) -> None:
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        if "tensorflow" in sys.modules:
            sys.modules["tensorflow"].random.set_seed(seed)
        for generator in self._generators:
            if isinstance(generator, torch.Generator):
                generator.manual_seed(seed)
            elif isinstance(generator, np.random.RandomState | random.Random):
                generator.seed(seed)
            else:
                fresh = type(generator.bit_generator)(seed)  # type: ignore[call-arg]
                generator.bit_generator.state = fresh.state

    def _dice(self, seed: int) -> Any:
        name = self.names["dice"].lower()
        if name == "key" and "jax" in sys.modules:
            return sys.modules["jax"].random.PRNGKey(seed)
        if name == "seed":
            return seed
        return torch.Generator().manual_seed(seed) if self.backend == "torch" else np.random.default_rng(seed)

    @contextlib.contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Global generators are left as they were found."""
        states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
            torch.random.set_rng_state(states[2])


_SAY = (
    "name the arguments x, codes and reconstruction if it is a loss, or x and parameters (a dict of arrays) if it is a "
    "whole step"
)


class _CallFailed(Exception):  # noqa: N818
    def __init__(self, reason: Exception) -> None:
        self.reason = reason


def _mapped(make: Callable[[np.ndarray], Any], arrays: Arrays) -> Any:
    if isinstance(arrays, Mapping):
        return type(arrays)({name: make(array) for name, array in arrays.items()})  # type: ignore[call-arg]
    return [make(array) for array in arrays] if isinstance(arrays, list) else make(arrays)


def _flat(arrays: Mapping[str, Arrays]) -> list[Any]:
    found: list[Any] = []
    for each in arrays.values():
        found += each.values() if isinstance(each, Mapping) else each if isinstance(each, list) else [each]
    return found


def _shapes(name: str, arrays: Arrays) -> str:
    if isinstance(arrays, Mapping):
        return f"{name} {{{', '.join(f'{key}: {list(a.shape)}' for key, a in arrays.items())}}}"
    many: Sequence[np.ndarray] = arrays if isinstance(arrays, list) else [arrays]
    return f"{name} {', '.join(str(list(a.shape)) for a in many)}"
