"""Texts in files as documents."""

import json
from collections.abc import Iterator
from pathlib import Path

from sparsight.errors import SparsightError

SUFFIXES = (".txt", ".md", ".jsonl", ".py")
Document = tuple[str, str]
"""Its name, and its text."""


def documents(path: str | Path, field: str = "text") -> list[Document]:
    """The documents in a file or a folder, without those that hold nothing but space.

    A folder: each `.txt`, `.md` and `.py` in it and below is a document. A `.jsonl`: each line, of which `field` is the
    text. A `.txt`: what blank lines divide; where there are none, each line. Any other file is one document.

    Raises:
        SparsightError: nothing is there, it holds no text, it is no UTF-8, or a line is no JSON with such a field.
    """
    place = Path(path)
    if not place.exists():
        raise SparsightError(f"there is no text {str(path)!r}: give a file or a folder")
    found = list(_of_folder(place) if place.is_dir() else _of_file(place, field))
    kept = [(name, text) for name, text in found if text.strip()]
    if not kept:
        raise SparsightError(f"{str(path)!r} holds no text: give {', '.join(SUFFIXES)} with some")
    return kept


def _of_folder(folder: Path) -> Iterator[Document]:
    for file in sorted(folder.rglob("*")):
        if not file.is_file() or file.suffix not in SUFFIXES:
            continue
        if file.suffix == ".jsonl":
            yield from _of_file(file, "text")
        else:
            yield str(file.relative_to(folder)), _read(file)


def _of_file(file: Path, field: str) -> Iterator[Document]:
    text = _read(file)
    if file.suffix == ".jsonl":
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield f"{file.name} {number}", _field(file, number, line, field)
    elif file.suffix == ".txt":
        text = text.replace("\r\n", "\n").strip("\n")
        parts = text.split("\n\n") if "\n\n" in text else text.split("\n")
        for number, part in enumerate(parts, 1):
            yield f"{file.name} {number}", part.strip("\n")
    else:
        yield file.name, text


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SparsightError(f"{str(file)!r} is no UTF-8 (byte {error.start}): convert it, or leave it out") from None
    except OSError as error:
        raise SparsightError(f"{str(file)!r} cannot be read ({error.strerror})") from None


def _field(file: Path, number: int, line: str, field: str) -> str:
    try:
        found = json.loads(line)[field]
    except (ValueError, KeyError, TypeError):
        found = None
    if not isinstance(found, str):
        raise SparsightError(f"line {number} of {str(file)!r} is no JSON object with the text {field!r}")
    return found
