"""D03: a divergence of every activation."""

from sparsight.core import Finding, Number
from sparsight.rules._look import Look
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register

STRONG = 3.0


@register("rule", "penalty-per-activation")
class PenaltyPerActivation(Rule):
    """The divergence is taken of every activation, or over the wrong axis, in place of each feature's mean.

    Its optimum is codes = target in every sample: median_j of √Var_b[h_bj] / √E_b[h_bj] is small, though the mean
    activity is low, and no sample has few features. A feature that fires fully in a share q of the samples, and not in
    others, has √(1 − q).

    Args:
        spread: the ratio below which codes hardly say which sample it is.
        low: the mean activity above which no penalty can have acted.
        sparse: the population sparsity (Treves & Rolls 1991) above which samples do have few.
    """

    id, stage, needs = "D03", 2, ()
    explains = (
        "penalty-too-weak", "target-missed", "dense", "identity", "noise-filters", "frozen-inputs", "unstable",
        "penalty-dominates", "duplicates", "dead",
    )  # fmt: skip
    cause = "The mean over samples is taken after the divergence, or over features in its place."
    fix = "Take the mean activity of each feature over samples first, then its divergence, then the sum over features."

    def __init__(self, *, spread: float = 0.18, low: float = 0.4, sparse: float = 0.25) -> None:
        self.spread, self.low, self.sparse = spread, low, sparse

    def __call__(self, case: Case) -> Finding | None:
        written = [name for name, term in case.sparsifying.items() if type(term).__name__ == "KLPerActivation"]
        look = case.look
        if written:
            said = f"the term {written[0]} is a divergence of every activation: it forbids features to be selective"
            target = getattr(case.sparsifying[written[0]], "target", 0.1)
            return self.find("red", said, *self._numbers(case), changes=_mended(case, written[0], target))
        if look is None or not look.unit or not len(look.live) or case.recipe is not None:
            return None
        mean = float(look.mean.median())
        ratio = _variation(look)[0]
        if mean > self.low or ratio >= self.spread or look.population > self.sparse:
            return None
        said = (
            f"each feature has nearly the same code in every sample, {mean:.2g}, with a deviation of "
            f"{float(look.deviation.median()):.2g}"
        )
        return self.find("red", said, *self._numbers(case))

    def _numbers(self, case: Case) -> list[Number]:
        look = case.look
        if look is None:
            return []
        ratio, null = _variation(look)
        about = "median_j √Var_b[h_bj] / √E_b[h_bj]; null: on or off with the same mean"
        return [Number(name="variation of a feature", value=ratio, limit=self.spread, null=null, about=about)]


def _mended(case: Case, name: str, target: float) -> list[str]:
    """Take the term away, and give the architecture's own divergence a weight."""
    changes = [f"terms.{name}.weight=0"]
    if case.recipe and case.recipe["architecture"]["name"] == "sigmoid_kl":
        changes += [f"architecture.kl={STRONG}", f"architecture.target={target}"]
    return changes


def _variation(look: Look) -> tuple[float, float]:
    """median_j √Var_b[h_bj] / √E_b[h_bj], and what it is for features that are on or off with the same mean."""
    ratio = float((look.deviation / look.mean.clamp(min=1e-12).sqrt()).median())
    return ratio, float((1 - look.mean.median()).clamp(min=0).sqrt())
