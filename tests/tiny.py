"""Tiny models with random weights, as folders of transformers and as modules."""

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

WORDS = [
    "the", "a", "in", "of", "and", "light", "water", "earth", "heaven", "day", "night", "was", "were", "good",
    "god", "saw", "called", "made", "upon", "face", "deep",
]  # fmt: skip
TEXTS = [
    "in the heaven was light and the light was good",
    "god called the light day and the night was upon the deep",
    "the water of the deep was made and god saw the face of the earth",
    "light upon water",
    "a day and a night were called good",
    "the earth was made in the day",
]
WIDTH = 16


def bert(folder: Path) -> Path:
    """A model that embeds, with [CLS] before and [SEP] behind every text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import BertConfig, BertModel, BertTokenizerFast
    folder.mkdir(parents=True, exist_ok=True)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, "##s"]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n")
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(pieces), hidden_size=WIDTH, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


def llama(folder: Path) -> Path:
    """A model that predicts the next token."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tokenizers import Tokenizer, models, pre_tokenizers
        from tokenizers.decoders import ByteLevel
        from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = dict.fromkeys(["<end>", *alphabet, *(f"Ġ{w}" for w in WORDS), *WORDS])  # "a" is of the alphabet, too
    vocabulary = {piece: n for n, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<end>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore
    tokenizer.decoder = ByteLevel()  # pyright: ignore
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>").save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=WIDTH, num_hidden_layers=3, num_attention_heads=2,
        num_key_value_heads=2, intermediate_size=32, max_position_embeddings=64, initializer_range=0.3,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


class Net(nn.Module):
    """A small network of pictures with ten classes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(1, 4, 3, stride=2, padding=1)
        self.second = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.head = nn.Linear(6, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.second(self.first(x).relu()).relu()
        return self.head(hidden.mean((2, 3)))


def net() -> nn.Module:
    return Net()


def failing() -> Any:
    raise RuntimeError("no weights here")
