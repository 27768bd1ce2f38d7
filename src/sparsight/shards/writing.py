"""Writing shards: rows come in, raw files with checksums come out."""

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from sparsight.errors import SparsightError
from sparsight.run import write
from sparsight.shards.index import TYPES, Column, Index, Shard, check_columns, column_file, index_file, read_index

ROWS = 65_536
"""Of a shard, where nothing else is asked for."""
_BUFFER = 2**20


class ShardWriter:
    """Writes rows of one process into a folder, shard by shard.

    Many processes write into one folder at once, each with a name of its own. A shard is there when the index names
    it; whoever is killed loses at most the shard under way. So that a writer can go on exactly where its last complete
    shard ends, shards end only at a `mark`, and keep its note.

    Args:
        folder: is made where it is not there.
        columns: a type, or a type and a width, for each. `x` has a width and is float32, float16, bfloat16 or uint8;
            all others are int32 or int64, one number for each row.
        writer: the name of this one among the processes that write into the folder.
        rows_per_shard: from so many on, the next mark ends the shard.
        about: what the rows are, in JSON.
        resume: go on after the last complete shard of the same writer.

    Raises:
        SparsightError: other columns, a writer of this name that is not resumed or still at work, a value that the
            column cannot hold, or a disk that is full. What was complete before is kept.
    """

    def __init__(
        self,
        folder: str | Path,
        columns: Mapping[str, str | tuple[str, int | None]],
        *,
        writer: str = "0",
        rows_per_shard: int = ROWS,
        about: Mapping[str, Any] | None = None,
        resume: bool = False,
    ) -> None:
        self.folder, self.writer, self.rows_per_shard = Path(folder), writer, rows_per_shard
        self.columns = _columns(columns)
        self.complete = False
        """Whether this writer has come to its end, now or before it was resumed."""
        try:
            self.about = json.loads(json.dumps(about or {}, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise SparsightError(f"what shards are about must be JSON: {error}") from None
        self._place = index_file(self.folder, writer)
        self._files: dict[str, BinaryIO] = {}
        self._hashes: dict[str, Any] = {}
        self._open, self._under_way, self._marked = True, 0, False
        self._note: Any = None
        self._hold()
        try:
            before = self._before(resume)
            self.shards = [] if before is None else list(before.shards)
            self.complete = before is not None and before.complete
            if before is None:
                self._put_index(complete=False)
        except BaseException:
            self._lock.release()
            raise

    def _hold(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.folder / f".writer-{self.writer}.lock")
            self._lock.acquire(timeout=0)
        except Timeout:
            raise SparsightError(
                f"another process writes to {str(self.folder)!r} as {self.writer!r}: give this one another name"
            ) from None
        except OSError as error:
            raise SparsightError(f"cannot write to {str(self.folder)!r}: {error.strerror or error}") from None

    def _before(self, resume: bool) -> Index | None:
        """What the same writer left here; the columns of others must be the same."""
        for place in sorted(self.folder.glob("index-*.json")):
            found = read_index(place)
            if found.columns != self.columns:
                raise SparsightError(
                    f"the columns of {str(place)!r} are {_said(found.columns)}, and not {_said(self.columns)}: "
                    "write into another folder"
                )
        if not self._place.exists():
            return None
        if not resume:
            raise SparsightError(
                f"{str(self.folder)!r} has shards of the writer {self.writer!r} already: resume it, or write into "
                "another folder"
            )
        index = read_index(self._place)
        changed = [key for key in {**index.about, **self.about} if index.about.get(key) != self.about.get(key)]
        if changed:
            raise SparsightError(
                f"the shards in {str(self.folder)!r} were written with another {' and '.join(sorted(changed))}: "
                "resume with the same, or write into another folder"
            )
        return index

    @property
    def last(self) -> Any:
        """The note of the last complete shard; None: there is none."""
        return self.shards[-1].note if self.shards else None

    @property
    def rows(self) -> int:
        """In all shards, complete or under way."""
        return self._complete_rows + self._under_way

    @property
    def _complete_rows(self) -> int:
        return sum(shard.rows for shard in self.shards)

    def append(self, **values: Any) -> None:
        """Add rows: a tensor or an array for every column, [n, width] or [n]; all or none of it is added.

        Raises:
            SparsightError: columns that are missing or of another shape, NaN, infinity, or what the type cannot hold.
        """
        if not self._open:
            raise SparsightError(f"the writer of {str(self.folder)!r} is closed: make another with resume=True")
        if set(values) != set(self.columns):
            raise SparsightError(f"rows have {', '.join(sorted(values))} and not {', '.join(sorted(self.columns))}")
        given = {name: torch.as_tensor(value).detach().cpu() for name, value in values.items()}
        n = len(given["x"]) if given["x"].ndim else 0
        ready = {name: self._ready(name, value, n) for name, value in given.items()}
        if not n:
            return
        try:
            for name, content in ready.items():
                if name not in self._files:
                    place = column_file(self.folder, self.writer, len(self.shards), name)
                    self._files[name] = place.open("wb", buffering=_BUFFER)
                    self._hashes[name] = hashlib.sha256()
                self._files[name].write(content)
                self._hashes[name].update(content)
        except OSError as error:
            raise self._failed(error) from None
        self._under_way += n

    def _ready(self, name: str, value: Tensor, n: int) -> bytes:
        """The bytes of some rows."""
        column = self.columns[name]
        shape = (n,) if column.width is None else (n, column.width)
        if tuple(value.shape) != shape:
            raise SparsightError(
                f"{name} is {list(value.shape)} and not {list(shape)}: every row of {str(self.folder)!r} has "
                f"{'one number' if column.width is None else f'{column.width} numbers'} there"
            )
        rows = value.to(TYPES[column.type]).contiguous()
        if name == "x" and column.type != "uint8":
            self._refuse(value, ~_finite(value), "hold NaN or infinity: remove them, or find out where they come from")
            self._refuse(
                value,
                ~_finite(rows),
                f"hold numbers beyond {column.type}: write float32 or bfloat16",
            )
        elif rows.dtype != value.dtype:
            self._refuse(value, rows.to(value.dtype) != value, f"hold numbers that are no {column.type}")
        plain = rows.view(torch.uint8) if rows.numel() else torch.empty(0, dtype=torch.uint8)
        if sys.byteorder == "big":
            plain = plain.view(-1, rows.itemsize).flip(1).contiguous()
        return plain.numpy().tobytes()

    def _refuse(self, value: Tensor, bad: Tensor, why: str) -> None:
        if bad.any():
            where = bad.reshape(len(value), -1).any(1).nonzero().squeeze(1)
            raise SparsightError(
                f"{len(where)} of the {len(value)} rows that were to be added to {str(self.folder)!r} {why} "
                f"(the first is row {self.rows + int(where[0])})"
            )

    def mark(self, note: Any = None) -> None:
        """Say that what was added so far belongs together; a shard that is large enough ends here.

        Args:
            note: any JSON; see `last`.
        """
        self._note = note
        if self._under_way >= self.rows_per_shard:
            self._end_shard()
            self._put_index(complete=False)

    def close(self) -> None:
        """Write what is left, and say that nothing more will come. A second time does nothing."""
        if not self._open:
            return
        if self._under_way:
            self._end_shard()
        self._put_index(complete=True)
        self.complete = True
        self.abandon()

    def abandon(self) -> None:
        """Let go of the folder without the shard under way; `resume` goes on from the last complete one."""
        self._open = False
        for file in self._files.values():
            with suppress(OSError):
                file.close()
        for name in self._files:
            column_file(self.folder, self.writer, len(self.shards), name).unlink(missing_ok=True)
        self._files, self._under_way = {}, 0
        self._lock.release()

    def _end_shard(self) -> None:
        try:
            for file in self._files.values():
                file.flush()
                _sync(file)
                file.close()
        except OSError as error:
            raise self._failed(error) from None
        hashes = {name: found.hexdigest() for name, found in self._hashes.items()}
        self.shards.append(Shard(rows=self._under_way, sha256=hashes, note=self._note))
        self._files, self._under_way = {}, 0

    def _failed(self, error: OSError) -> SparsightError:
        self.abandon()
        return SparsightError(
            f"cannot write to {str(self.folder)!r}: {error.strerror or error}; the {self._complete_rows:,} rows "
            "that are complete are kept, and resume goes on from there"
        )

    def _put_index(self, *, complete: bool) -> None:
        index = Index(version=1, columns=self.columns, about=self.about, complete=complete, shards=self.shards)
        write(self._place, (index.model_dump_json(indent=1) + "\n").encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None):
        if error is None:
            self.close()
        else:
            self.abandon()


def _columns(given: Mapping[str, str | tuple[str, int | None]]) -> dict[str, Column]:
    found = {}
    for name, asked in given.items():
        kind, width = (asked, None) if isinstance(asked, str) else asked
        if kind not in TYPES or (width is not None and width < 1):
            raise SparsightError(f"a column cannot hold {kind} × {width}: there is {', '.join(TYPES)}")
        found[name] = Column.model_validate({"type": kind, "width": width})
    wrong = check_columns(found)
    if wrong is not None:
        raise SparsightError(f"a folder of shards {wrong}")
    return found


def _said(columns: Mapping[str, Column]) -> str:
    return ", ".join(f"{name} ({column})" for name, column in columns.items())


def _finite(rows: Tensor) -> Tensor:
    return rows.isfinite() if rows.is_floating_point() else torch.ones_like(rows, dtype=torch.bool)


def _sync(file: BinaryIO) -> None:
    os.fsync(file.fileno())
