"""Named parts. One rule: keyword-only arguments *are* the configuration.

`register(kind, name)` makes a class or a function buildable as `{"name": name, **knobs}`. pydantic
checks the knobs' types and bounds and gives their JSON schema; what is built carries its own spec.
"""

import functools
import importlib
import importlib.metadata
import importlib.util
import inspect
import pkgutil
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, ValidationError, create_model, validate_call

from sparsight.errors import SparsightError, did_you_mean

Spec = dict[str, Any]
F = TypeVar("F", bound=Callable[..., Any])
_REGISTRY: dict[str, dict[str, Callable[..., Any]]] = {}
_LOADED: set[str] = set()
_PLUGINS: list[Path] = []
_STRICT = ConfigDict(strict=True, arbitrary_types_allowed=True)
_CHECK: Callable[..., Any] = validate_call(config=_STRICT)
_BARE = re.compile(r"""(?<![\w"'.+-])(?!(?:true|false|inf|nan)\b)([A-Za-z][\w./-]*)(?![\w./-]|\s*=|["'])""")
"""A word in a list or table that is not a key, and not in quotes."""


def register(kind: str, name: str) -> Callable[[F], F]:
    """Make a class or function buildable as `{"name": name, ...}`; its keyword-only arguments are the knobs.

    Args:
        kind: what it is, in the singular (`"term"`); its package is the plural (`sparsight.terms`).
        name: what recipes and the command line call it.

    Raises:
        TypeError: at import, where the factory takes anything but keyword-only arguments or the name is taken.
    """

    def add(factory: F) -> F:
        table = _REGISTRY.setdefault(kind, {})
        if name in table:
            raise TypeError(f"{kind} {name!r} is already registered")
        made = _class(factory, kind, name) if inspect.isclass(factory) else _function(factory, kind, name)
        table[name] = made
        return made

    return add


def names(kind: str) -> list[str]:
    """The names registered under a kind, sorted."""
    _load(kind)
    return sorted(_REGISTRY.get(kind, {}))


def kinds() -> list[str]:
    """Every kind of part there is, sorted."""
    package = importlib.import_module("sparsight")
    for module in pkgutil.iter_modules(package.__path__):
        if module.ispkg:
            importlib.import_module(f"sparsight.{module.name}")
    return sorted(_REGISTRY)


def factory(kind: str, name: str) -> Callable[..., Any]:
    """The class or function behind a name.

    Raises:
        SparsightError: there is none; the sentence says what was probably meant.
    """
    _load(kind)
    table = _REGISTRY.get(kind, {})
    if name not in table:
        raise SparsightError(f"unknown {kind} {name!r}; {did_you_mean(name, table)}")
    return table[name]


def knobs(kind: str, name: str) -> dict[str, inspect.Parameter]:
    """The configuration of a part: its keyword-only parameters."""
    return dict(inspect.signature(factory(kind, name)).parameters)


def schema(kind: str, name: str) -> dict[str, Any]:
    """The JSON schema of a part's knobs, for forms and editors."""
    fields: dict[str, Any] = {
        p.name: (p.annotation, ... if p.default is p.empty else p.default) for p in knobs(kind, name).values()
    }
    return create_model(name, __config__=_STRICT, **fields).model_json_schema()


def build(kind: str, spec: str | Mapping[str, Any], **extra: Any) -> Any:
    """Turn a spec into a part.

    Args:
        kind: which registry.
        spec: a name, or `{"name": ..., knob: value}`.
        extra: values that no recipe can hold, such as an array in memory.

    Raises:
        SparsightError: an unknown name or knob, or a value of the wrong type or out of bounds.
    """
    given: Spec = {"name": spec} if isinstance(spec, str) else dict(spec)
    name = given.pop("name", None)
    if not isinstance(name, str):
        raise SparsightError(f"a {kind} needs a name; {did_you_mean('', names(kind))}")
    return factory(kind, name)(**given, **extra)


def describe(part: Any) -> Spec:
    """The spec that rebuilds a part."""
    return {"name": part._spec[1], **part._spec[2]}


def override(spec: Mapping[str, Any], changes: Iterable[str]) -> Spec:
    """Apply `a.b=value` changes to a copy of `spec`.

    Values are written as in TOML and bare words are strings. A key that itself has a dot is quoted:
    `terms."l2.encoder".weight=1e-3`.

    Raises:
        SparsightError: a change without `=`, a path that goes through a plain value, or a list that is no TOML.
    """
    out: Spec = _copy(spec)
    for change in changes:
        path, equals, text = change.partition("=")
        if not equals or not path.strip():
            raise SparsightError(f"{change!r} is no change: write key=value, for example architecture.k=25")
        *parents, leaf = _path(path.strip())
        node: Spec = out
        for key in parents:
            child: Any = node.get(key, {})
            child = {"name": child} if isinstance(child, str) else child
            if not isinstance(child, dict):
                raise SparsightError(f"{change!r} cannot be applied: {key!r} is {child!r} and has no keys of its own")
            node[key] = node = child
        node[leaf] = value(path.strip(), text.strip())
    return out


def discover(package: str, path: Iterable[str]) -> None:
    """Import every module of a package, so that its parts register themselves. There is no list to keep."""
    for module in pkgutil.iter_modules(path):
        importlib.import_module(f"{package}.{module.name}")


def load_plugin(path: str | Path) -> None:
    """Import a Python file that registers parts (`--plugin file.py`).

    Raises:
        SparsightError: there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise SparsightError(f"there is no plugin {str(path)!r}: give the path of a Python file that registers parts")
    found = importlib.util.spec_from_file_location(f"sparsight_plugin_{path.stem}", path)
    assert found is not None
    assert found.loader is not None
    found.loader.exec_module(importlib.util.module_from_spec(found))
    _PLUGINS.append(path.resolve())


def plugins() -> list[Path]:
    """The files that were imported as plugins, so that another process can do the same."""
    return list(_PLUGINS)


def explain(error: ValidationError, where: str, known: Iterable[str]) -> SparsightError:
    """A validation error of pydantic as one sentence."""
    first = error.errors()[0]
    place = ".".join([where, *(str(p) for p in first["loc"])]) if first["loc"] else where
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return SparsightError(f"{where} has no {first['loc'][-1]!r}; {did_you_mean(first['loc'][-1], known)}")
    if first["type"].startswith("missing"):
        return SparsightError(f"{place} is missing: it has no default, so give it")
    said = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return SparsightError(f"{place} {said}, got {first['input']!r}")


def _function(raw: Callable[..., Any], kind: str, name: str) -> Any:
    defaults, checked = _defaults(raw, kind, name), _CHECK(raw)

    @functools.wraps(raw)
    def make(**given: Any) -> Any:
        given = {k: plain(v) for k, v in given.items()}
        part = _checked(checked, given, f"{kind} {name!r}", defaults)
        part._spec = (kind, name, {**defaults, **given})
        return part

    return make


def _class(raw: Any, kind: str, name: str) -> Any:
    init = raw.__init__
    defaults, checked = _defaults(init, kind, name), _CHECK(init)

    @functools.wraps(init)
    def stamped(self: Any, **given: Any) -> None:
        given = {k: plain(v) for k, v in given.items()}
        _checked(functools.partial(checked, self), given, f"{kind} {name!r}", defaults)
        self._spec = (kind, name, {**defaults, **given})

    raw.__init__ = stamped
    return raw


def _checked(call: Callable[..., Any], given: Spec, where: str, known: Iterable[str]) -> Any:
    unknown = [key for key in given if key not in known]
    if unknown:
        raise SparsightError(f"{where} has no {unknown[0]!r}; {did_you_mean(unknown[0], known)}")
    try:
        return call(**given)
    except ValidationError as error:
        raise explain(error, where, known) from None


def _defaults(raw: Callable[..., Any], kind: str, name: str) -> Spec:
    parameters = [p for p in inspect.signature(raw).parameters.values() if p.name != "self"]
    wrong = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
    if wrong:
        raise TypeError(f"{kind} {name!r}: {wrong[0]!r} is not keyword-only, and knobs are")
    return {p.name: p.default for p in parameters}


def _load(kind: str) -> None:
    if kind in _LOADED:
        return
    _LOADED.add(kind)
    home = f"sparsight.{kind}s"
    importlib.import_module(home if importlib.util.find_spec(home) else f"sparsight.{kind}")
    for point in importlib.metadata.entry_points(group="sparsight"):
        point.load()


def plain(value: Any) -> Any:
    """NumPy's scalars, as parameter grids hold them, are plain numbers here."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


def _copy(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {k: _copy(v) for k, v in node.items()}
    return [_copy(v) for v in node] if isinstance(node, list) else node


def _path(text: str) -> list[str]:
    """Split `a."b.c".d` at the dots outside quotes."""
    try:
        node: Any = tomllib.loads(f"{text} = 0")
    except tomllib.TOMLDecodeError:
        raise SparsightError(f"{text!r} is no path: write keys with dots between, such as architecture.k") from None
    keys: list[str] = []
    while isinstance(node, dict):
        ((key, node),) = node.items()
        keys.append(key)
    return keys


def value(key: str, text: str) -> Any:
    """A value as it is written in a change of `key`: as in TOML, and bare words are strings."""
    try:
        return _toml(text)
    except tomllib.TOMLDecodeError:
        if text[:1] + text[-1:] in ("[]", "{}"):
            raise SparsightError(_mended(key, text)) from None
        # .3 and 3. are no TOML, but who types them means numbers
        return float(text) if re.fullmatch(r"[-+]?(\d+\.|\.\d+)", text) else text


def _mended(key: str, text: str) -> str:
    """What to write in place of a list or a table that is no TOML, most often since the shell took its quotes."""
    quoted = _BARE.sub(r'"\1"', text)
    try:
        _toml(quoted)
    except tomllib.TOMLDecodeError:
        return f"{key}={text} cannot be read: write lists and tables as TOML does, with commas and quotes"
    return f"{text} has words without quotes, or the shell took them: write '{key}={quoted}', with all quotes"


def _toml(text: str) -> Any:
    return tomllib.loads(f"v = {text}")["v"]
