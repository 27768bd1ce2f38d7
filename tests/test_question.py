"""The example of the question, on few digits and few steps."""

from pathlib import Path

import pytest
import torch

from examples import question
from sparsight.core import Source
from sparsight.meters.shape import max_cosine, moran
from sparsight.spec import build


@pytest.fixture
def digits() -> Source:
    return build("source", "digits").take(torch.arange(300))


@pytest.mark.parametrize("seed", range(5))
def test_the_program_is_nan_at_its_third_step(digits: Source, seed: int) -> None:
    encoders, end = question.program(torch.cat([batch.inputs for batch in digits.chunks()]), seed)
    assert len(encoders) == 2
    assert end == "Step 3: 100% of the codes are 0, log 0 is in the cost, the weights are NaN."
    noise, blown_up = encoders
    assert moran(noise, (28, 28)).nanmedian() < 0.05
    assert noise.abs().max() < 0.1 < 100 < blown_up.abs().max()
    assert max_cosine(blown_up).min() > 0.99


def test_the_picture_has_four_panels_and_says_what_was_measured(
    digits: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = question.trained(digits, tmp_path, epochs=1.0)
    picture = question.panels(digits, runs)
    height, width, _ = picture.shape
    assert 1.5 < width / height < 2
    for rows in (slice(0, height // 2), slice(height // 2, height)):
        for columns in (slice(0, width // 2), slice(width // 2, width)):
            assert picture[rows, columns].std() > 50
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(question.RECIPES)
