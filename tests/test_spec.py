from typing import Annotated, Any

import numpy as np
import pytest
from pydantic import Field

from sparsight import spec
from sparsight.errors import SparsightError
from sparsight.spec import build, describe, override, register


class Toy:
    def __init__(self, *, size: Annotated[int, Field(ge=1)] = 3, rate: float = 0.5) -> None:
        self.size, self.rate = size, rate


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "_REGISTRY", {})
    monkeypatch.setattr(spec, "_LOADED", {"toy"})
    register("toy", "toy")(type("Toy", (Toy,), {"__init__": Toy.__init__}))


def test_what_is_built_describes_itself() -> None:
    assert describe(build("toy", {"name": "toy", "size": 5})) == {"name": "toy", "size": 5, "rate": 0.5}
    assert describe(build("toy", describe(build("toy", "toy")))) == describe(build("toy", "toy"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "toi"}, "unknown toy 'toi'; did you mean 'toy'"),
        ({"name": "toy", "sise": 3}, "has no 'sise'; did you mean 'size'"),
        ({"name": "toy", "size": "three"}, "should be a valid integer, got 'three'"),
        ({"name": "toy", "size": True}, "should be a valid integer, got True"),
        ({"name": "toy", "size": 0}, "greater than or equal to 1, got 0"),
        ({"size": 3}, "a toy needs a name"),
    ],
)
def test_a_mistake_is_answered_with_what_was_meant(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SparsightError, match=said):
        build("toy", given)


def test_numbers_of_numpy_are_plain_numbers() -> None:
    assert describe(build("toy", {"name": "toy", "size": np.int64(4)}))["size"] == 4
    assert type(build("toy", {"name": "toy", "size": np.int64(4)}).size) is int


def test_the_schema_of_the_knobs_is_json() -> None:
    schema = spec.schema("toy", "toy")
    assert schema["properties"]["size"]["minimum"] == 1
    assert schema["properties"]["rate"]["default"] == 0.5


def test_knobs_are_keyword_only_and_names_are_taken_once() -> None:
    with pytest.raises(TypeError, match="not keyword-only"):
        register("toy", "other")(lambda size: size)
    with pytest.raises(TypeError, match="already registered"):
        register("toy", "toy")(Toy)


def test_overrides_are_written_as_in_toml_and_change_a_copy() -> None:
    assert override({}, ["a=.3", "b=-3.", "c=3.5.1"]) == {"a": 0.3, "b": -3.0, "c": "3.5.1"}
    recipe = {"architecture": "topk", "train": {"lr": 1.0}}
    changed = override(
        recipe, ["architecture.k=4", "train.lr=3e-4", "source.path=a/b.npy", 'terms."l2.encoder".weight=1']
    )
    assert changed == {
        "architecture": {"name": "topk", "k": 4},
        "train": {"lr": 3e-4},
        "source": {"path": "a/b.npy"},
        "terms": {"l2.encoder": {"weight": 1}},
    }
    assert recipe == {"architecture": "topk", "train": {"lr": 1.0}}


@pytest.mark.parametrize(
    ("change", "said"), [("k", "is no change"), ("a b=3", "is no path"), ("train.lr.x=3", "has no keys of its own")]
)
def test_a_change_that_makes_no_sense_is_refused(change: str, said: str) -> None:
    with pytest.raises(SparsightError, match=said):
        override({"train": {"lr": 1.0}}, [change])


@pytest.mark.parametrize(
    ("change", "mended"),
    [
        ("preprocess=[standardise]", 'preprocess=["standardise"]'),
        ('preprocess=[scale, "unit_norm"]', 'preprocess=["scale", "unit_norm"]'),
        ("preprocess=[{name = scale, by = 3, ok = true}]", 'preprocess=[{name = "scale", by = 3, ok = true}]'),
    ],
)
def test_words_that_lost_their_quotes_are_answered_with_what_to_write(change: str, mended: str) -> None:
    with pytest.raises(SparsightError, match="has words without quotes") as caught:
        override({}, [change])
    assert f"write '{mended}', with all quotes" in str(caught.value)
    assert set(override({}, [mended])) == {"preprocess"}


def test_a_list_that_quotes_do_not_mend_is_refused_as_it_was_written() -> None:
    with pytest.raises(SparsightError, match=r"x=\[1 2\] cannot be read: write lists and tables as TOML does"):
        override({}, ["x=[1 2]"])


def test_a_plugin_that_is_not_there_is_named() -> None:
    with pytest.raises(SparsightError, match=r"there is no plugin 'mine\.py'"):
        spec.load_plugin("mine.py")
