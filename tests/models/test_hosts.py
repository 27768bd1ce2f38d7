"""How models are opened."""

from pathlib import Path

import pytest
import tiny
import torch
from torch import nn

from sparsight.errors import SparsightError
from sparsight.models.host import Host, open_host

TINY = Path(tiny.__file__)


def test_a_folder_of_transformers_is_opened_with_its_tokenizer(bert: Host, llama: Host) -> None:
    assert (bert.causal, llama.causal) == (False, True)
    assert bert.n_context == 64
    assert bert.tokenizer is not None
    assert not bert.module.training
    assert hasattr(llama.module, "lm_head"), "it predicts the next token"


def test_a_module_of_ones_own_is_opened_by_its_function_or_as_it_is(net: Host) -> None:
    assert isinstance(net.module, nn.Module)
    assert open_host(net) is net
    module = tiny.net()
    assert open_host(module).module is module
    assert open_host(module).fingerprint() == net.fingerprint()


def test_a_function_that_gives_a_path_is_answered_with_the_model_there(tmp_path: Path, bert: Host) -> None:
    folder = tiny.bert(tmp_path / "model")
    file = tmp_path / "package.py"
    file.write_text(f"def path():\n    return {str(folder)!r}\n")
    opened = open_host(f"{file}:path")
    assert opened.tokenizer is not None
    assert opened.fingerprint() == bert.fingerprint()


def test_the_fingerprint_is_that_of_the_weights(net: Host) -> None:
    before = net.fingerprint()
    with torch.no_grad():
        next(net.module.parameters()).view(-1)[0] += 1e-6
    assert net.fingerprint() != before


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("nothing", "there is no model 'nothing': give the folder or the name"),
        (f"{TINY}:nothing", "has no function 'nothing'"),
        (f"{TINY}:failing", r"failed \(RuntimeError: no weights here\)"),
        (f"{TINY}:bert", "failed"),
        ("nothing.py:net", "there is no file 'nothing.py'"),
        ("nothing.at.all:net", r"cannot be imported \(ModuleNotFoundError"),
        (f"{TINY}:Path", "there is no model '.'"),
    ],
)
def test_what_is_no_model_is_one_sentence(path: str, sentence: str) -> None:
    with pytest.raises(SparsightError, match=sentence):
        open_host(path)


def test_a_name_that_cannot_be_downloaded_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(SparsightError, match="'nobody/nothing' is not on this machine and could not be downloaded"):
        open_host("nobody/nothing")


def test_a_damaged_folder_is_one_sentence(tmp_path: Path) -> None:
    folder = tiny.bert(tmp_path / "model")
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(SparsightError, match="is damaged or of a kind that transformers cannot open"):
        open_host(str(folder))
