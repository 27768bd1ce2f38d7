"""Make the digits that the package embeds from MNIST's four files: `python tools/make_digits.py FOLDER`."""

import gzip
import sys
from pathlib import Path

import numpy as np

OUT = Path(__file__).parents[1] / "src/sparsight/sources/data/digits.npz"


def read(path: Path) -> np.ndarray:
    """The array in an IDX file of bytes."""
    content = gzip.decompress(path.read_bytes())
    rank = content[3]
    shape = np.frombuffer(content, ">i4", rank, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def main(folder: Path) -> None:
    """1,000 of each digit from the training file and 200 from the test file, by a seeded choice, in random order."""
    dice = np.random.default_rng(0)
    parts = {}
    for part, stem, per_class in (("train", "train", 1000), ("test", "t10k", 200)):
        images = read(folder / f"{stem}-images-idx3-ubyte.gz")
        labels = read(folder / f"{stem}-labels-idx1-ubyte.gz")
        chosen = [dice.choice(np.flatnonzero(labels == digit), per_class, replace=False) for digit in range(10)]
        index = dice.permutation(np.concatenate(chosen))
        parts |= {
            f"{part}_images": images[index],
            f"{part}_labels": labels[index],
            f"{part}_index": index.astype(np.uint16),
        }
    OUT.parent.mkdir(exist_ok=True)
    np.savez_compressed(OUT, **parts)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
