"""What a form needs to know of recipes: their schema, and every part there is with its knobs."""

import inspect
import re
from typing import Any

from sparsight import recipes, spec
from sparsight.controllers.controller import MEASURES
from sparsight.job import Recipe
from sparsight.sources import known

KINDS = ("architecture", "term", "preprocess", "corruption", "augmentation", "initialisation")
"""Parts that recipes name; data are given by their path."""
_ARGUMENT = re.compile(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)


def form() -> dict[str, Any]:
    """All that recipes can be made of.

    - `schema`: the JSON schema of a recipe.
    - `parts`: by kind and name, the JSON `schema` of the knobs, and `about`, the first line of its docstring.
    - `recipes`: the named ones, with `name` and `summary`. `data`: names of data that come along. `aims`: what can be
      aimed at.
    """
    named = [recipes.read(name) for name in recipes.names()]
    return {
        "schema": Recipe.model_json_schema(),
        "parts": {kind: {name: part(kind, name) for name in spec.names(kind)} for kind in KINDS},
        "recipes": [{key: recipe.get(key, "") for key in ("name", "summary")} for recipe in named],
        "data": known(),
        "aims": list(MEASURES),
    }


def part(kind: str, name: str) -> dict[str, Any]:
    """The JSON `schema` of a part's knobs, each with what its docstring says of it, and `about` the whole."""
    said = inspect.getdoc(spec.factory(kind, name)) or ""
    schema = spec.schema(kind, name)
    _, _, arguments = said.partition("\nArgs:\n")
    for knob, text in _ARGUMENT.findall(arguments.partition("\n\n")[0]):
        if knob in schema.get("properties", {}):
            schema["properties"][knob]["description"] = re.sub(r"\s+", " ", text)
    return {"about": said.split("\n\n")[0].replace("\n", " "), "schema": schema}
