"""The divergence of Gaussian codes from their prior."""

from torch import Tensor

from sparsight.core import SAE, Facts, SampleTerm, Step
from sparsight.core.term import Part
from sparsight.errors import SparsightError
from sparsight.spec import register


@register("term", "gaussian_kl")
class GaussianKL(SampleTerm):
    """s² E_b[ KL(N(μ_b, σ_b²) ‖ N(0, 1)) ] = s² E_b[ ½ Σ_j μ_bj² + σ_bj² − log σ_bj² − 1 ] (Kingma & Welling 2014).

    s² = E‖x − mean‖² / D, the variance of an input: beside ½‖error‖², a weight of β says that β s² of it is noise.
    Where the output is no identity, s² = 1: a cross-entropy is a log-likelihood as it is.

    Raises:
        SparsightError: an encoder that gives no variances.
    """

    needs: frozenset[Part] = frozenset({"pre"})
    moves = ("W_enc", "b_enc")

    def __init__(self, *, weight: float = 0.1, warmup: float = 0.0) -> None:
        super().__init__()
        self.weight, self.warmup = weight, warmup
        self.noise = 1.0

    def check(self, sae: SAE, facts: Facts) -> None:
        if sae.pre(sae.b_dec.new_zeros(1, sae.n_inputs)).shape[1] != 2 * sae.n_latents:
            raise SparsightError(
                f"gaussian_kl needs codes with variances, and those of {sae.architecture['name']} have none: "
                "use variational"
            )
        if sae.output == "identity":
            self.noise = facts.power / sae.sizes.n_targets

    def per_sample(self, step: Step, sae: SAE) -> Tensor:
        assert step.pre is not None
        mean, log_variance = step.pre.chunk(2, dim=1)
        return 0.5 * self.noise * (mean.square() + log_variance.exp() - log_variance - 1).sum(1)
