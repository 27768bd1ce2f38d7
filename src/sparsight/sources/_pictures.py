"""Files of pictures: which there are, what is in them, and which cannot be used."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from sparsight.errors import SparsightError

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
NAMED = 3
"""Pictures that cannot be used and are named, at most."""


class UnusableError(Exception):
    """Why a picture cannot be used."""


def pictures_in(path: str) -> list[Path]:
    """The files of pictures in a folder and its sub-folders, sorted.

    Raises:
        SparsightError: there is no folder, or no picture in it.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise SparsightError(f"there is no folder {path!r}")
    files = sorted(filter(_is_picture, folder.rglob("*")))
    if not files:
        raise SparsightError(f"the folder {path!r} holds no pictures ({', '.join(sorted(SUFFIXES))})")
    return files


def holds_pictures(path: str) -> bool:
    """Whether it is a folder with a picture in it."""
    folder = Path(path)
    return folder.is_dir() and any(map(_is_picture, folder.rglob("*")))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()


def classes_of(files: Iterable[Path], path: str) -> list[str]:
    """For each file the sub-folder of the first level that it lies in; "": none."""
    folder = Path(path)
    return [file.relative_to(folder).parts[0] if file.parent != folder else "" for file in files]


def picture(file: Path, grey: bool, size: list[int] | None = None) -> np.ndarray:
    """The bytes of a picture, [height, width] or [height, width, 3].

    Args:
        file: the picture.
        grey: one channel; else red, green and blue.
        size: [height, width] to which it is resized.

    Raises:
        UnusableError: it is damaged, cut off or no picture, or has more than 8 bits per pixel.
    """
    try:
        with Image.open(file) as opened:
            if opened.mode.startswith(("I", "F")):  # Pillow would cut everything above 255 off
                raise UnusableError("has more than 8 bits per pixel: convert it to 8")
            opened = opened.convert("RGBA") if "transparency" in opened.info else opened
            opened = opened.convert("L" if grey else "RGB")
            return np.asarray(opened if size is None else opened.resize((size[1], size[0])))
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnusableError(f"cannot be read ({error}): mend or remove it") from None


class Reading:
    """Pictures one after the other; those that cannot be used are counted and named.

    Args:
        files: the pictures.
        skip: leave those that cannot be used out; else the first pass over all of them says so.
    """

    def __init__(self, files: list[Path], skip: bool) -> None:
        self.files, self.skip = files, skip
        self._bad: dict[Path, str] = {}

    def each(self, read: Callable[[Path], np.ndarray]) -> Iterator[tuple[Path, np.ndarray]]:
        """Every picture that `read` can read, with its file.

        Raises:
            SparsightError: after the last one, if some cannot be used and are not to be left out, or none can.
        """
        some = False
        for file in self.files:
            try:
                found = read(file)
            except UnusableError as error:
                self._bad[file] = str(error)
                continue
            some = True
            yield file, found
        if self._bad and not (self.skip and some):
            advice = "" if self.skip else "; to leave such pictures out, set source.skip_unreadable=true"
            raise SparsightError(self._said() + advice)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out, in a sentence; none where all was read."""
        return (f"left out: {self._said()}",) if self._bad else ()

    def _said(self) -> str:
        n, named = len(self._bad), list(self._bad.items())[:NAMED]
        if n == 1:
            return f"the picture {str(named[0][0])!r} {named[0][1]}"
        listed = "; ".join(f"{str(file)!r} {why}" for file, why in named)
        return f"{n} of {len(self.files)} pictures cannot be used: {listed}{'; ...' if n > NAMED else ''}"
