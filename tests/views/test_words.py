"""Features in words."""

import json

import numpy as np
from parts import VOCABULARY, Texts
from test_contexts import model
from toys import toy_job, toy_source

from sparsight.atlas import survey
from sparsight.views import words
from sparsight.views.contexts import word

TEXTS = Texts()
ATLAS = survey(model(TEXTS), TEXTS, fits=0)


def test_features_of_texts_are_told_by_their_words() -> None:
    assert words.known(ATLAS)
    assert words.labelled(ATLAS) == "words"
    said = words.told(ATLAS, [4, 2])
    for which, one in zip((4, 2), said, strict=True):
        ids = ATLAS["label_ids"][which]
        assert one["label"] == [word(ATLAS.samples["words"][n]) for n in ids[ids >= 0]]
        assert sum(share for _, share in one["words"]) <= 1.001
        assert set(one["label"]) <= {word(text) for text in VOCABULARY}
        np.testing.assert_allclose(one["score"], ATLAS["label_score"][which], rtol=1e-3)
    json.dumps(said, allow_nan=False)
    lines = words.lines(ATLAS)
    assert lines is not None
    assert lines[4] == ", ".join(said[0]["label"])
    assert words.lines(ATLAS, [4]) == [lines[4]]


def test_features_of_classes_are_told_by_them() -> None:
    source = toy_source(labels=np.arange(512) % 3)
    atlas = survey(toy_job("topk", source).sae, source, fits=0)
    assert not words.known(atlas)
    assert words.labelled(atlas) == "classes"
    for one in words.told(atlas, range(5)):
        assert set(one["label"]) <= set("012")
        assert one["words"] == []


def test_without_words_and_classes_nothing_is_told() -> None:
    source = toy_source()
    atlas = survey(toy_job("topk", source).sae, source, fits=0)
    assert words.labelled(atlas) is None
    assert words.lines(atlas) is None
    assert words.told(atlas, [0]) == [{"label": [], "score": None, "precision": None, "recall": None, "words": []}]
