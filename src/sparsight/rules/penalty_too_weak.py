"""D02: a penalty that does nothing."""

from statistics import fmean

from sparsight.core import Finding, Number
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register

WANTED = 0.2
"""The share of the encoder's gradient that the changed weight is to give it."""


@register("rule", "penalty-too-weak")
class PenaltyTooWeak(Rule):
    """A penalty of the codes has next to no share in gradient or loss, and codes are dense, or miss its target.

    The share of the encoder's gradient is ‖g_penalty‖ / Σ ‖g‖, mean over the log. Where training has settled, all
    gradients are small and alike, so that of the loss counts too.

    Args:
        share: of the gradient below which a penalty does nothing.
        loss: the share of the last loss below which it does nothing.
        off: how far the mean activity is from a divergence's target, as a share of that, before it is missed,
        lost: and how far it is where the penalty is too weak, whatever its share.
        sparse: the share of the features that may fire in a sample.
    """

    id, stage, needs = "D02", 2, ("log", "terms")
    explains = ("target-missed", "dense", "identity", "noise-filters", "frozen-inputs", "unstable", "duplicates")
    cause = "The error is summed over samples or inputs, the penalty is averaged, or its weight is for other units."
    fix = (
        "Give the penalty a weight per sample: error and penalty are sums over inputs or features, means over samples."
    )

    def __init__(
        self, *, share: float = 0.1, loss: float = 0.01, off: float = 0.5, lost: float = 1.5, sparse: float = 0.3
    ) -> None:
        self.share, self.loss, self.off, self.lost, self.sparse = share, loss, off, lost, sparse

    def __call__(self, case: Case) -> Finding | None:
        lines = list(case.log or ())
        if not lines or len(lines) < 2:
            return None
        for name, term in case.sparsifying.items():
            shares = [line.terms[name]["share"].get("encoder") for line in lines if name in line.terms]
            known = [share for share in shares if share is not None]
            target = getattr(term, "target", None)
            if len(known) < 2 or not self._dense(case, target):
                continue
            share, last = fmean(known), lines[-1]
            own = last.terms[name]
            of_loss = own["loss"] / last.loss if last.loss else 1.0
            if share >= self.share and of_loss >= self.loss and not self._lost(case, target):
                continue
            said = (
                f"{name} has {share:.2%} of the gradient of the encoder and {of_loss:.2%} of the loss, and "
                f"{last.l0:.0f} features fire in a sample, with a mean activity of {last.mean_activity:.3g}: too little"
            )
            numbers = (
                Number(
                    name="share of the gradient", value=share, limit=self.share, about="‖g‖ / Σ ‖g‖, mean over the log"
                ),
                Number(name="share of the loss", value=of_loss, limit=self.loss, about="at the end"),
            )
            factor = max(3.0, WANTED / max(min(share, of_loss), 1e-6))
            changes = case.reweighted(name, own["weight"] * factor)
            return self.find("red", said, *numbers, changes=changes)
        return None

    def _lost(self, case: Case, target: object) -> bool:
        """Whether training has ended far from the target."""
        assert case.log
        last = case.log[-1]
        return (
            isinstance(target, float) and target < 1 and last.step == last.steps
            and abs(last.mean_activity - target) > self.lost * target
        )  # fmt: skip

    def _dense(self, case: Case, target: object) -> bool:
        assert case.log
        last = case.log[-1]
        if isinstance(target, float) and target < 1:
            return abs(last.mean_activity - target) > self.off * target
        features = (case.recipe or {}).get("n_latents")
        return features is not None and last.l0 > self.sparse * features
