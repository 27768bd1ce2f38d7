"""Which model, layers and texts activations come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sparsight.shards.index import open_folder


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where activations come from.

    Attributes:
        model: its spec, or a module in memory.
        at: the layers, the predicted one of a transcoder last.
        feed: the spec of what goes in.
        more: how the layers are read, as `Reading` takes it.
        sha256: of the `model` and the `feed`, where they are known.
        stored: whether the activations lie on disk, and need neither to be read again.
    """

    model: Any
    at: tuple[str, ...]
    feed: Mapping[str, Any]
    more: Mapping[str, Any]
    sha256: Mapping[str, str]
    stored: bool


def origin(spec: Mapping[str, Any] | None) -> Origin | None:
    """Where the samples of a source come from; None: from no model that is known.

    Raises:
        SparsightError: the source is a folder of shards that cannot be read.
    """
    found = dict(spec or {})
    stored = found.get("name") == "shards"
    if stored:
        found = open_folder(found["path"]).about
    elif found.get("name") != "activations":
        return None
    if not found.get("model") or not found.get("at") or not found.get("feed"):
        return None
    layers = [found["at"]] if isinstance(found["at"], str) else list(found["at"])
    if found.get("target") is not None:
        layers.append(found["target"])
    return Origin(
        model=found["model"],
        at=tuple(layers),
        feed=dict(found["feed"]) if isinstance(found["feed"], Mapping) else {"name": found["feed"]},
        more={key: found[key] for key in ("channels", "special") if key in found},
        sha256=found.get("sha256") or {},
        stored=stored,
    )
