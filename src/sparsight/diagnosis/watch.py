"""Findings while a model is being trained."""

from collections.abc import Callable, Mapping
from typing import Any

from sparsight.core import Finding, Logged
from sparsight.diagnosis.asking import ask, ranked, told_by
from sparsight.rules._rule import Case
from sparsight.spec import build, names


class Watch:
    """An observer that asks the rules at every log line, and says each finding once.

    Args:
        recipe: complete.
        say: is told of every new finding.
    """

    def __init__(self, recipe: Mapping[str, Any], say: Callable[[Finding], None]) -> None:
        self.recipe, self.say = recipe, say
        self.terms = told_by(recipe)["terms"]
        self.rules = [build("rule", name) for name in names("rule")]
        self.log: list[Logged] = []
        self.said: dict[str, Finding] = {}

    def on_log(self, logged: Logged) -> None:
        self.log.append(logged)
        for finding in ranked(ask(Case(recipe=self.recipe, terms=self.terms, log=self.log), self.rules)):
            if finding.rule not in self.said:
                self.said[finding.rule] = finding
                self.say(finding)

    def on_checkpoint(self, step: int) -> None: ...

    def on_end(self, reason: str) -> None: ...
