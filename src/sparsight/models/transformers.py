"""Models of Hugging Face transformers."""

import contextlib
import os
import re
from pathlib import Path
from typing import Any, Literal

import torch

from sparsight.errors import SparsightError
from sparsight.models.host import Host
from sparsight.spec import register

NAME = re.compile(r"[\w.-]+/[\w.-]+")
CAUSAL = ("CausalLM", "LMHeadModel")
"""How architectures end that predict the next token."""


@register("model", "transformers")
class Transformers(Host):
    """A model of transformers with its tokenizer, from a folder, a `.gguf` file, or by name from the hub.

    Those that predict the next token are opened with their logits, all others without a head.

    Args:
        path: the folder, the file, or the name (`organisation/model`), which is downloaded unless it was before.
        dtype: of its weights.

    Raises:
        SparsightError: transformers is not installed, nothing is there, it cannot be had, or it is damaged.
    """

    def __init__(self, *, path: str, dtype: Literal["float32", "bfloat16", "float16"] = "float32") -> None:
        try:
            import transformers
        except ImportError:
            raise SparsightError('transformers is not installed: pip install "sparsight[lm]"') from None
        place, more = _place(path)
        try:
            with _quiet(transformers):
                self.tokenizer = _tokenizer(transformers, place, more)
                causal = bool(more) or _is_causal(transformers, place)
                kind = transformers.AutoModelForCausalLM if causal else transformers.AutoModel
                module = kind.from_pretrained(place, dtype=getattr(torch, dtype), **more)
        except SparsightError:
            raise
        except ImportError as error:
            which = "gguf" if more else "lm"
            raise SparsightError(
                f'{path!r} needs more than is installed ({_said(error)}): pip install "sparsight[{which}]"'
            ) from None
        except Exception as error:  # over what is missing or damaged it raises a dozen types
            raise SparsightError(_why(path, error)) from None
        self.causal = causal
        limit = getattr(module.config, "max_position_embeddings", None)
        self.n_context = limit if isinstance(limit, int) else None
        self._hold(module, Path(path).name if Path(path).exists() else path)

    @classmethod
    def opens(cls, path: str) -> dict[str, str] | None:
        place = Path(path)
        there = (place / "config.json").is_file() or (place.suffix == ".gguf" and place.is_file())
        there = there or (place.is_dir() and len(list(place.glob("*.gguf"))) == 1)
        return {"path": path} if there or (not place.exists() and NAME.fullmatch(path)) else None


def _place(path: str) -> tuple[str, dict[str, str]]:
    """What transformers calls the folder, and the file in it where it is a `.gguf`."""
    place = Path(path)
    if place.is_dir() and not (place / "config.json").is_file():
        files = list(place.glob("*.gguf"))
        if len(files) != 1:
            raise SparsightError(f"the folder {path!r} holds no config.json and not one .gguf: it is no model")
        place = files[0]
    if place.suffix == ".gguf":
        if not place.is_file():
            raise SparsightError(f"there is no file {path!r}")
        return str(place.parent), {"gguf_file": place.name}
    return path, {}


def _is_causal(transformers: Any, place: str) -> bool:
    config = transformers.AutoConfig.from_pretrained(place)
    return any(name.endswith(CAUSAL) for name in config.architectures or [])


def _tokenizer(transformers: Any, place: str, more: dict[str, str]) -> Any:
    """None where the model has none, as those of pictures."""
    try:
        return transformers.AutoTokenizer.from_pretrained(place, **more)
    except (OSError, ValueError, KeyError):
        if Path(place).is_dir() and not any(Path(place).glob("*token*")) and not more:
            return None
        raise


@contextlib.contextmanager
def _quiet(transformers: Any) -> Any:
    """Without the library's own progress bars and advice."""
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with Path(os.devnull).open("w") as nothing, contextlib.redirect_stderr(nothing):
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _why(path: str, error: Exception) -> str:
    if Path(path).exists():
        return f"the model {path!r} is damaged or of a kind that transformers cannot open ({_said(error)})"
    return (
        f"the model {path!r} is not on this machine and could not be downloaded ({_said(error)}): check the name and "
        "the network, or give a folder"
    )
