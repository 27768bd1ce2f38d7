"""Several preprocessing steps as one."""

from collections.abc import Callable, Iterable, Iterator

from torch import Tensor, nn

from sparsight.core.preparation import Preprocess
from sparsight.core.records import Schema


class Chain(Preprocess):
    """Preprocessing steps one after the other; an empty chain changes nothing."""

    def __init__(self, parts: Iterable[Preprocess] = ()) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def __iter__(self) -> Iterator[Preprocess]:
        for part in self.parts:
            assert isinstance(part, Preprocess)
            yield part

    def setup(self, n_inputs: int) -> None:
        for part in self:
            part.setup(n_inputs)

    def fit(self, stream: Callable[[], Iterator[Tensor]], schema: Schema) -> None:
        for n, part in enumerate(self):
            before = Chain(list(self)[:n])
            part.fit(lambda before=before: map(before, stream()), schema)

    def forward(self, x: Tensor) -> Tensor:
        for part in self:
            x = part(x)
        return x

    def inverse(self, x: Tensor) -> Tensor:
        for part in reversed(list(self)):
            x = part.inverse(x)
        return x

    def restore(self, x: Tensor, raw: Tensor) -> Tensor:
        seen = [raw]
        for part in self:
            seen.append(part(seen[-1]))
        for part, before in zip(reversed(list(self)), reversed(seen[:-1]), strict=True):
            x = part.restore(x, before)
        return x

    def filters_in_raw_units(self, W_enc: Tensor) -> Tensor:
        for part in reversed(list(self)):
            W_enc = part.filters_in_raw_units(W_enc)
        return W_enc

    def rows_in_raw_units(self, W_dec: Tensor) -> Tensor:
        for part in reversed(list(self)):
            W_dec = part.rows_in_raw_units(W_dec)
        return W_dec
