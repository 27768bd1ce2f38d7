"""Fetches the files of a data set, and takes only those whose checksum is right."""

import errno
import gzip
import hashlib
import http.client
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from filelock import FileLock, Timeout

from sparsight.downloads import DataSet, File
from sparsight.errors import SparsightError

CHUNK = 2**16
PATIENCE = 30.0
"""Seconds without an answer, after which the next mirror is asked."""
Told = Callable[[File, int], None]


class _MirrorError(Exception):
    """What one mirror did wrong."""


def get(data: DataSet, told: Told = lambda file, n: None) -> list[str]:
    """Fetch the files of a data set that are not there, or not right, and give their names.

    A file is written beside its place and moved there when its checksum is right; whatever happens before, nothing is
    left behind. Mirrors are asked in their order.

    Args:
        data: what to fetch.
        told: called as bytes come, with the file and how many there are.

    Raises:
        SparsightError: no mirror gives it, another process is fetching it, or it cannot be written.
    """
    with _writing(data):
        data.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(data.folder / ".lock", timeout=0)
    try:
        with _writing(data), lock:
            return [file.name for file in data.files if _fetched(data, file, told)]
    except Timeout:
        raise SparsightError(f"another process is fetching {data.name}: wait until it has ended") from None


def _fetched(data: DataSet, file: File, told: Told) -> bool:
    """Whether a file had to be fetched, which it now is."""
    place = data.folder / file.name
    if place.is_file() and _wrong(place, file) is None:
        return False
    part, failures = place.with_name(f"{file.name}.part"), []
    try:
        for mirror in data.mirrors:
            try:
                _fetch(mirror + file.name, part, file, told)
            except _MirrorError as failure:
                failures.append(f"{urlsplit(mirror).netloc} {failure}")
            else:
                part.replace(place)
                return True
    finally:
        part.unlink(missing_ok=True)
    raise SparsightError(
        f"{file.name} of {data.name} could not be fetched ({'; '.join(failures)}): look at the network and try again, "
        f"or put the file into {str(data.folder)!r} yourself"
    )


def _fetch(address: str, part: Path, file: File, told: Told) -> None:
    n = 0
    with part.open("wb") as out:
        for chunk in _received(address):
            out.write(chunk)
            n += len(chunk)
            told(file, n)
            if n > 2 * file.packed + CHUNK:
                raise _MirrorError("gave more than this file has")
    wrong = _wrong(part, file)
    if wrong is not None:
        raise _MirrorError(wrong)


def _received(address: str) -> Iterator[bytes]:
    """What comes from an address, piece by piece."""
    n = 0
    try:
        with urlopen(Request(address, headers={"User-Agent": "sparsight"}), timeout=PATIENCE) as answer:
            whole = int(answer.headers.get("Content-Length") or -1)
            while chunk := answer.read(CHUNK):
                n += len(chunk)
                yield chunk
    except HTTPError as error:
        error.close()
        raise _MirrorError(f"answered {error.code} {error.reason}") from None
    except URLError as error:
        reason = getattr(error.reason, "strerror", None) or error.reason
        raise _MirrorError(f"cannot be reached: {reason}") from None
    except (http.client.HTTPException, OSError) as error:
        raise _MirrorError(f"broke off after {n:,} bytes ({type(error).__name__})") from None
    if n < whole:
        raise _MirrorError(f"broke off after {n:,} of {whole:,} bytes")


def _wrong(path: Path, file: File) -> str | None:
    """What is wrong with a file that was fetched; None: nothing."""
    hasher, n = hashlib.sha256(), 0
    try:
        with gzip.open(path) if path.name.removesuffix(".part").endswith(".gz") else path.open("rb") as content:
            while n <= file.size and (chunk := content.read(2**20)):
                hasher.update(chunk)
                n += len(chunk)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return "gave something that is no gzip file, or a part of one"
    return None if hasher.hexdigest() == file.sha256 else "gave another file: its SHA-256 is not the one that is known"


@contextmanager
def _writing(data: DataSet) -> Iterator[Any]:
    """Turn what the disk says into a sentence."""
    try:
        yield
    except Timeout:
        raise
    except OSError as error:
        place = str(data.folder)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            said = f"the disk of {place!r} is full: make room for {data.megabytes:.0f} MB"
        else:
            said = f"{place!r} cannot be written ({error.strerror or error})"
        raise SparsightError(f"{said}, or set SPARSIGHT_DATA to a folder elsewhere") from None
