import json

from sparsight import recipes, spec
from sparsight.job import Recipe, completed
from sparsight.views.forms import KINDS, form, part


def test_the_form_knows_every_part_with_its_bounds_and_what_it_says_of_itself() -> None:
    made = form()
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    for kind in KINDS:
        assert sorted(made["parts"][kind]) == spec.names(kind)
        assert all(one["about"] for one in made["parts"][kind].values())
    k = made["parts"]["architecture"]["topk"]["schema"]["properties"]["k"]
    assert k["anyOf"][0] == {"minimum": 1, "type": "integer"}
    assert k["description"] == "how many; None: √D, and at most a quarter of the features."
    assert {recipe["name"] for recipe in made["recipes"]} == set(recipes.names())
    assert "digits" in made["data"]


def test_what_is_said_of_an_argument_goes_on_over_lines_and_ends_with_the_arguments() -> None:
    knobs = part("architecture", "matching_pursuit")["schema"]["properties"]
    assert all("\n" not in knob["description"] for knob in knobs.values())
    assert knobs["k"]["description"]


def test_keys_of_every_recipe_are_in_the_schema() -> None:
    made = form()
    schema = made["schema"]
    train = schema["$defs"]["TrainConfig"]["properties"]
    for name in recipes.names():
        full = completed(Recipe.parse(recipes.read(name)))
        assert set(full) == set(schema["properties"])
        assert set(full["train"]) == set(train)
        assert full["architecture"]["name"] in made["parts"]["architecture"]
    assert train["clip"]["description"] == "The largest norm that the gradient may have."
