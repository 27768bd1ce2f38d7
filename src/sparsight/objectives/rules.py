"""From measures to findings."""

from sparsight.core.findings import Finding
from sparsight.objectives.measured import Measured
from sparsight.objectives.of_errors import batch, errors, inputs
from sparsight.objectives.of_penalties import means, saturation, scale, shape
from sparsight.objectives.of_steps import decays, noises

RULES = (means, scale, saturation, shape, batch, errors, decays, noises, inputs)


def findings(m: Measured) -> list[Finding]:
    """What all rules find, the worst first."""
    found = [each for rule in RULES for each in rule(m)]
    return sorted(found, key=lambda each: each.severity != "red")
