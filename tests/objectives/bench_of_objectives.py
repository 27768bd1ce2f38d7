"""Objectives with one mistake each, and right ones, in several writings."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

Objective = Callable[..., Any]
RHO = 0.1


def kl(p: float, q: Tensor) -> Tensor:
    return p * (math.log(p) - q.log()) + (1 - p) * (math.log(1 - p) - (1 - q).log())


def np_kl(p: float, q: np.ndarray) -> np.ndarray:
    return p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))


def held(q: Tensor) -> Tensor:
    return q.clamp(1e-6, 1 - 1e-6)


def half_square(x: Tensor, recon: Tensor) -> Tensor:
    return 0.5 * (recon - x).square().sum(1).mean()


# --- right losses ----------------------------------------------------------------------------------------------------


def right_ufldl(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return half_square(x, recon) + 3 * kl(RHO, held(codes.mean(0))).sum()


def right_ufldl_unguarded(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return half_square(x, recon) + 3 * kl(RHO, codes.mean(0)).sum()


def right_ufldl_of_means(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    """Means in place of sums: another unit of the whole."""
    D, F = x.shape[1], codes.shape[1]
    return 0.5 * functional.mse_loss(recon, x) + 3 * F / D * kl(RHO, held(codes.mean(0))).mean()


def right_ufldl_of_target_05(x: Tensor, h: Tensor, x_hat: Tensor) -> Tensor:
    return half_square(x, x_hat) + 2 * kl(0.05, held(h.mean(0))).sum()


def right_ufldl_in_numpy(x: np.ndarray, codes: np.ndarray, recon: np.ndarray) -> float:
    q = np.clip(codes.mean(0), 1e-6, 1 - 1e-6)
    return float(0.5 * np.square(recon - x).sum(1).mean() + 3 * np_kl(RHO, q).sum())


def right_ufldl_with_eps(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    q, e = codes.mean(0), 1e-6
    of_q = RHO * ((RHO + e) / (q + e)).log() + (1 - RHO) * ((1 - RHO + e) / (1 - q + e)).log()
    return half_square(x, recon) + 3 * of_q.sum()


def right_tanh(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return half_square(x, recon) + 3 * kl(RHO, held((codes.mean(0) + 1) / 2)).sum()


def right_terms(x: Tensor, codes: Tensor, recon: Tensor) -> dict[str, Tensor]:
    return {"error": half_square(x, recon), "sparsity": 3 * kl(RHO, held(codes.mean(0))).sum()}


def right_l1(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return (recon - x).square().sum(1).mean() + 0.1 * codes.abs().sum(1).mean()


def right_l1_of_means(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return (recon - x).square().mean() + 0.1 * codes.shape[1] / x.shape[1] * codes.abs().mean()


def right_lp(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return half_square(x, recon) + 0.1 * (codes.abs() + 1e-6).sqrt().sum(1).mean()


def right_error_alone(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return (recon - x).square().sum(1).mean()


def right_mse_in_numpy(x: np.ndarray, codes: np.ndarray, recon: np.ndarray) -> np.floating:
    return np.mean((recon - x) ** 2)


def right_bce(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    error = functional.binary_cross_entropy(recon, x, reduction="none").sum(1).mean()
    return error + 3 * kl(RHO, held(codes.mean(0))).sum()


def right_bce_of_logits(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    error = functional.binary_cross_entropy_with_logits(recon, x, reduction="sum") / len(x)
    return error + 3 * kl(RHO, held(codes.mean(0))).sum()


def right_square_of_means(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return half_square(x, recon) + 10 * (codes.mean(0) - RHO).square().sum()


# --- right steps -----------------------------------------------------------------------------------------------------


def codes_of(x: Tensor, p: Any) -> Tensor:
    return torch.sigmoid(x @ p["w1"] + p["b1"])


def decay_of(p: Any, rate: float = 3e-3) -> Tensor:
    return 0.5 * rate * (p["w1"].square().sum() + p["w2"].square().sum())


def right_step(x: Tensor, parameters: Any) -> Tensor:
    h = codes_of(x, parameters)
    recon = torch.sigmoid(h @ parameters["w2"] + parameters["b2"])
    return half_square(x, recon) + 3 * kl(RHO, held(h.mean(0))).sum() + decay_of(parameters)


def right_step_in_numpy(x: np.ndarray, parameters: Any) -> float:
    w1, b1, w2, b2 = (parameters[name] for name in ("w1", "b1", "w2", "b2"))
    h = 1 / (1 + np.exp(-(x @ w1 + b1)))
    recon = 1 / (1 + np.exp(-(h @ w2 + b2)))
    q = np.clip(h.mean(0), 1e-6, 1 - 1e-6)
    decay = 0.5 * 3e-3 * (np.square(w1).sum() + np.square(w2).sum())
    return float(0.5 * np.square(recon - x).sum(1).mean() + 3 * np_kl(RHO, q).sum() + decay)


def right_step_of_logits(x: Tensor, parameters: Any) -> Tensor:
    """The divergence by log-sum-exp of log-sigmoids, which needs no clamp."""
    z = x @ parameters["w1"] + parameters["b1"]
    log_q = functional.logsigmoid(z).logsumexp(0) - math.log(len(x))
    log_rest = functional.logsigmoid(-z).logsumexp(0) - math.log(len(x))
    penalty = RHO * (math.log(RHO) - log_q) + (1 - RHO) * (math.log(1 - RHO) - log_rest)
    logits = torch.sigmoid(z) @ parameters["w2"] + parameters["b2"]
    error = functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1).mean()
    return error + 3 * penalty.sum() + decay_of(parameters)


def right_step_that_denoises(x: Tensor, parameters: Any, training: bool = True) -> Tensor:
    seen = x + 0.3 * torch.randn_like(x) if training else x
    h = codes_of(seen, parameters)
    recon = torch.sigmoid(h @ parameters["w2"] + parameters["b2"])
    return half_square(x, recon) + 3 * kl(RHO, held(h.mean(0))).sum() + decay_of(parameters)


def right_step_of_layers(x: Tensor, encoder_weight: Tensor, encoder_bias: Tensor, decoder_weight: Tensor,
                         decoder_bias: Tensor) -> Tensor:  # fmt: skip
    """As nn.Linear stores them."""
    h = torch.sigmoid(functional.linear(x, encoder_weight, encoder_bias))
    recon = torch.sigmoid(functional.linear(h, decoder_weight, decoder_bias))
    decay = 1.5e-3 * (encoder_weight.square().sum() + decoder_weight.square().sum())
    return half_square(x, recon) + 3 * kl(RHO, held(h.mean(0))).sum() + decay


def right_step_of_means(x: Tensor, parameters: Any) -> Tensor:
    """Everything divided by the number of inputs."""
    return right_step(x, parameters) / x.shape[1]


def right_topk(x: Tensor, parameters: Any) -> Tensor:
    pre = (x - parameters["b_dec"]) @ parameters["W_enc"] + parameters["b_enc"]
    kept = pre.topk(5, dim=1)
    codes = torch.zeros_like(pre).scatter(1, kept.indices, kept.values.relu())
    return (codes @ parameters["W_dec"] + parameters["b_dec"] - x).square().sum(1).mean()


def right_relu_l1(x: Tensor, parameters: Any) -> Tensor:
    codes = (x @ parameters["W_enc"] + parameters["b_enc"]).relu()
    recon = codes @ parameters["W_dec"] + parameters["b_dec"]
    return half_square(x, recon) + 0.05 * (codes * parameters["W_dec"].norm(dim=1)).sum(1).mean()


def right_tied(x: Tensor, parameters: Any) -> Tensor:
    h = torch.sigmoid(x @ parameters["w"] + parameters["b"])
    recon = torch.sigmoid(h @ parameters["w"].T + parameters["c"])
    return half_square(x, recon) + 3 * kl(RHO, held(h.mean(0))).sum() + 1.5e-3 * parameters["w"].square().sum()


def right_huber(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return functional.smooth_l1_loss(recon, x) + 0.01 * kl(RHO, held(codes.mean(0))).sum()


def right_elastic(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return half_square(x, recon) + (0.1 * codes.abs() + 0.01 * codes.square()).sum(1).mean()


def right_tanh_of_codes(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return half_square(x, recon) + 0.1 * torch.tanh(4 * codes).sum(1).mean()


def right_swapped(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    """KL(q ‖ target), which has the same minimum."""
    q = held(codes.mean(0))
    return half_square(x, recon) + 3 * (q * (q / RHO).log() + (1 - q) * ((1 - q) / (1 - RHO)).log()).sum()


def right_step_that_masks(x: Tensor, parameters: Any, training: bool = True) -> Tensor:
    seen = x * (torch.rand_like(x) > 0.25) if training else x
    h = codes_of(seen, parameters)
    recon = torch.sigmoid(h @ parameters["w2"] + parameters["b2"])
    return half_square(x, recon) + 3 * kl(RHO, held(h.mean(0))).sum() + decay_of(parameters)


def right_step_that_drops_codes(x: Tensor, parameters: Any, training: bool = True) -> Tensor:
    h = codes_of(x, parameters)
    recon = torch.sigmoid(functional.dropout(h, 0.3, training) @ parameters["w2"] + parameters["b2"])
    return half_square(x, recon) + 3 * kl(RHO, held(h.mean(0))).sum() + decay_of(parameters)


def right_contractive(x: Tensor, parameters: Any) -> Tensor:
    """Its penalty is of codes and weights together."""
    h = codes_of(x, parameters)
    recon = torch.sigmoid(h @ parameters["w2"] + parameters["b2"])
    jacobian = ((h * (1 - h)).square() * parameters["w1"].square().sum(0)).sum(1).mean()
    return half_square(x, recon) + 0.1 * jacobian + decay_of(parameters)


def right_orthogonal(x: Tensor, parameters: Any) -> Tensor:
    w2 = parameters["w2"]
    return right_step(x, parameters) + 0.01 * (w2 @ w2.T - torch.eye(len(w2)).to(w2)).square().sum()


def right_step_of_columns(x: np.ndarray, parameters: Any) -> float:
    """Samples as columns, as in the exercise of UFLDL."""
    W1, b1, W2, b2 = (parameters[name] for name in ("W1", "b1", "W2", "b2"))
    h = 1 / (1 + np.exp(-(W1 @ x.T + b1[:, None])))
    recon = 1 / (1 + np.exp(-(W2 @ h + b2[:, None])))
    rho = h.mean(1).clip(1e-6, 1 - 1e-6)
    decay = 3e-3 / 2 * (np.sum(W1**2) + np.sum(W2**2))
    return float(0.5 / len(x) * np.sum((recon - x.T) ** 2) + decay + 3 * np_kl(RHO, rho).sum())


class Eager:
    """What an eager library of its own returns: float32 in, and something that can be made a float."""

    def __init__(self, value: Any) -> None:
        self.value = np.float32(value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.value, dtype=dtype)


def eager(*arrays: Any) -> None:
    if any(not isinstance(array, np.ndarray) or array.dtype != np.float32 for array in arrays):
        raise TypeError("this library takes arrays of float32 alone")


def right_eager(x: np.ndarray, codes: np.ndarray, recon: np.ndarray) -> Eager:
    eager(x, codes, recon)
    return Eager(
        0.5 * np.square(recon - x).sum(1).mean() + 3 * np_kl(RHO, np.clip(codes.mean(0), 1e-6, 1 - 1e-6)).sum()
    )


def right_eager_step(x: np.ndarray, w1: np.ndarray, b1: np.ndarray, w2: np.ndarray, b2: np.ndarray) -> Eager:
    eager(x, w1, b1, w2, b2)
    h = 1 / (1 + np.exp(-(x @ w1 + b1)))
    recon = 1 / (1 + np.exp(-(h @ w2 + b2)))
    decay = np.float32(1.5e-3) * (np.square(w1).sum() + np.square(w2).sum())
    return Eager(
        0.5 * np.square(recon - x).sum(1).mean() + 3 * np_kl(RHO, h.mean(0).clip(1e-6, 1 - 1e-6)).sum() + decay
    )


RIGHT: list[Objective] = [value for name, value in globals().items() if name.startswith("right_")]


# --- wrong ones ------------------------------------------------------------------------------------------------------


def every_activation(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return half_square(x, recon) + 3 * kl(RHO, held(codes)).sum(1).mean()


def every_activation_in_numpy(x: np.ndarray, h: np.ndarray, r: np.ndarray) -> float:
    return float(0.5 * np.square(r - x).sum(1).mean() + 3 * np_kl(RHO, np.clip(h, 1e-6, 1 - 1e-6)).sum(1).mean())


def every_activation_eager(x: np.ndarray, codes: np.ndarray, recon: np.ndarray) -> Eager:
    eager(x, codes, recon)
    return Eager(0.5 * np.square(recon - x).sum(1).mean() + 3 * np_kl(RHO, codes.clip(1e-6, 1 - 1e-6)).sum(1).mean())


def every_activation_squared(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return half_square(x, recon) + 10 * (codes - RHO).square().sum(1).mean()


def over_features(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return half_square(x, recon) + 600 * kl(RHO, held(codes.mean(1))).mean()


def over_features_in_numpy(x: np.ndarray, codes: np.ndarray, recon: np.ndarray) -> float:
    q = np.clip(codes.mean(-1), 1e-6, 1 - 1e-6)
    return float(0.5 * np.square(recon - x).sum(1).mean() + 600 * np_kl(RHO, q).mean())


def error_summed_divergence_averaged(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return 0.5 * (recon - x).square().sum() + 10 * kl(RHO, held(codes.mean(0))).mean()


def l1_averaged(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return (recon - x).square().sum(1).mean() + 1e-4 * codes.abs().mean()


def error_averaged_divergence_summed(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return functional.mse_loss(recon, x) + 3 * kl(RHO, held(codes.mean(0))).sum()


def error_averaged_l1_summed(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return functional.mse_loss(recon, x) + 1.0 * codes.abs().sum(1).mean()


def divergence_divided_by_batch(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    """As Keras' activity_regularizer does."""
    return half_square(x, recon) + 300 * kl(RHO, held(codes.mean(0))).sum() / len(x)


def error_summed_l1_averaged(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return 0.5 * (recon - x).square().sum() + 5 * codes.abs().sum(1).mean()


def first_half_alone(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return half_square(x, recon) + 3 * (RHO * (RHO / held(codes.mean(0))).log()).sum()


def kl_div_of_torch(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    q = held(codes.mean(0))
    return half_square(x, recon) + 3 * functional.kl_div(q.log(), torch.full_like(q, RHO), reduction="sum")


def second_half_alone(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return half_square(x, recon) + 3 * ((1 - RHO) * ((1 - RHO) / (1 - held(codes.mean(0)))).log()).sum()


def minus_divergence(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return half_square(x, recon) - 3 * kl(RHO, held(codes.mean(0))).sum()


def minus_l1(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return half_square(x, recon) - 0.1 * codes.sum(1).mean()


def log_of_every_code(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return half_square(x, recon) + 3 * kl(RHO, codes).sum(1).mean()


def log_of_every_code_in_numpy(x: np.ndarray, codes: np.ndarray, recon: np.ndarray) -> float:
    return float(0.5 * np.square(recon - x).sum(1).mean() + 3 * np_kl(RHO, codes).sum(1).mean())


def softmax_of_pixels(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return -(x * recon.log_softmax(1)).sum(1).mean() + 3 * kl(RHO, held(codes.mean(0))).sum()


def softmax_of_pixels_in_numpy(x: np.ndarray, codes: np.ndarray, recon: np.ndarray) -> float:
    log = recon - np.log(np.exp(recon).sum(1, keepdims=True))
    return float(-(x * log).sum(1).mean())


def minus_error(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return -half_square(x, recon) + 3 * kl(RHO, held(codes.mean(0))).sum()


def minus_log_likelihood_forgotten(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return (x * recon.log() + (1 - x) * (1 - recon).log()).sum(1).mean()


def no_error(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return 3 * kl(RHO, held(codes.mean(0))).sum()


def error_of_x(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return half_square(x, x) + 3 * kl(RHO, held(codes.mean(0))).sum()


def changes_x(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    x -= x.mean(1, keepdim=True)
    return half_square(x, recon)


def changes_codes(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    codes.clamp_(0.2, 0.3)
    return half_square(x, recon) + 0.1 * codes.sum(1).mean()


def root_of_the_difference(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return (recon - x).sqrt().sum(1).mean()


def log_of_the_difference(x: np.ndarray, codes: np.ndarray, recon: np.ndarray) -> float:
    return float(np.log(recon - x).sum(1).mean())


def squares_of_codes(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return half_square(x, recon) + 0.5 * codes.square().sum(1).mean()


def cosh_of_codes(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return half_square(x, recon) + codes.cosh().sum(1).mean()


# --- wrong steps -----------------------------------------------------------------------------------------------------


def network(x: Tensor, p: Any, seen: Tensor | None = None) -> tuple[Tensor, Tensor]:
    h = codes_of(x if seen is None else seen, p)
    return h, torch.sigmoid(h @ p["w2"] + p["b2"])


def step_of_every_activation(x: Tensor, parameters: Any) -> Tensor:
    h, recon = network(x, parameters)
    return half_square(x, recon) + 3 * kl(RHO, held(h)).sum(1).mean() + decay_of(parameters)


def step_over_features(x: Tensor, parameters: Any) -> Tensor:
    h, recon = network(x, parameters)
    return half_square(x, recon) + 100 * kl(RHO, held(h.mean(1))).mean() + decay_of(parameters)


def step_without_decay(x: Tensor, parameters: Any) -> Tensor:
    h, recon = network(x, parameters)
    return half_square(x, recon) + 3 * kl(RHO, held(h.mean(0))).sum()


def step_without_decay_in_numpy(x: np.ndarray, parameters: Any) -> float:
    h = 1 / (1 + np.exp(-(x @ parameters["w1"] + parameters["b1"])))
    recon = 1 / (1 + np.exp(-(h @ parameters["w2"] + parameters["b2"])))
    return float(0.5 * np.square(recon - x).sum(1).mean() + 3 * np_kl(RHO, np.clip(h.mean(0), 1e-6, 1 - 1e-6)).sum())


def step_without_decay_with_noise(x: Tensor, parameters: Any, training: bool = True) -> Tensor:
    h, recon = network(x, parameters, x + 0.3 * torch.randn_like(x) if training else x)
    return half_square(x, recon) + 3 * kl(RHO, h.mean(0)).sum()


def step_with_much_decay(x: Tensor, parameters: Any) -> Tensor:
    return right_step(x, parameters) + decay_of(parameters, 3.0)


def step_of_mean_error_with_decay(x: Tensor, parameters: Any) -> Tensor:
    h, recon = network(x, parameters)
    return functional.mse_loss(recon, x) + 0.01 * kl(RHO, held(h.mean(0))).sum() + decay_of(parameters, 0.1)


def step_that_decays_biases(x: Tensor, parameters: Any) -> Tensor:
    h, recon = network(x, parameters)
    decay = 1.5e-3 * sum(p.square().sum() for p in parameters.values())
    return half_square(x, recon) + 3 * kl(RHO, held(h.mean(0))).sum() + decay


def step_that_decays_the_hidden_bias(x: Tensor, parameters: Any) -> Tensor:
    return right_step(x, parameters) + 1.5e-3 * parameters["b1"].square().sum()


def step_that_decays_the_output_bias(x: Tensor, parameters: Any) -> Tensor:
    return right_step(x, parameters) + 1.5e-3 * parameters["b2"].square().sum()


def step_with_l1_of_weights(x: Tensor, parameters: Any) -> Tensor:
    _, recon = network(x, parameters)
    return half_square(x, recon) + 1e-3 * (parameters["w1"].abs().sum() + parameters["w2"].abs().sum())


def step_with_l1_of_all(x: Tensor, parameters: Any) -> Tensor:
    h = (x @ parameters["w1"] + parameters["b1"]).relu()
    recon = h @ parameters["w2"] + parameters["b2"]
    return half_square(x, recon) + 1e-3 * sum(p.abs().sum() for p in parameters.values())


def step_with_noise_in_use(x: Tensor, parameters: Any) -> Tensor:
    return right_step_that_denoises(x, parameters)


def step_with_noise_in_use_in_numpy(x: np.ndarray, parameters: Any) -> float:
    seen = x + np.random.normal(0, 0.3, x.shape)
    h = 1 / (1 + np.exp(-(seen @ parameters["w1"] + parameters["b1"])))
    recon = 1 / (1 + np.exp(-(h @ parameters["w2"] + parameters["b2"])))
    decay = 1.5e-3 * (np.square(parameters["w1"]).sum() + np.square(parameters["w2"]).sum())
    penalty = 3 * np_kl(RHO, np.clip(h.mean(0), 1e-6, 1 - 1e-6)).sum()
    return float(0.5 * np.square(recon - x).sum(1).mean() + penalty + decay)


def step_with_one_noise(x: Tensor, parameters: Any, training: bool = True) -> Tensor:
    seen = x + 0.3 * torch.randn(x.shape[1]) if training else x
    h, recon = network(x, parameters, seen)
    return half_square(x, recon) + 3 * kl(RHO, held(h.mean(0))).sum() + decay_of(parameters)


def step_with_one_noise_in_numpy(x: np.ndarray, parameters: Any, noise: float = 0.3) -> float:
    h = 1 / (1 + np.exp(-((x + noise * np.random.standard_normal(x.shape[1])) @ parameters["w1"] + parameters["b1"])))
    recon = 1 / (1 + np.exp(-(h @ parameters["w2"] + parameters["b2"])))
    decay = 1.5e-3 * (np.square(parameters["w1"]).sum() + np.square(parameters["w2"]).sum())
    penalty = 3 * np_kl(RHO, np.clip(h.mean(0), 1e-6, 1 - 1e-6)).sum()
    return float(0.5 * np.square(recon - x).sum(1).mean() + penalty + decay)


def step_with_faint_noise(x: Tensor, parameters: Any, scale: float = 0.01) -> Tensor:
    h, recon = network(x, parameters, x + scale * torch.randn_like(x))
    return half_square(x, recon) + 3 * kl(RHO, held(h.mean(0))).sum() + decay_of(parameters)


def step_with_faint_uniform_noise(x: Tensor, parameters: Any, training: bool = True) -> Tensor:
    h, recon = network(x, parameters, x + 0.02 * (torch.rand_like(x) - 0.5) if training else x)
    return half_square(x, recon) + 3 * kl(RHO, held(h.mean(0))).sum() + decay_of(parameters)


def step_with_loud_noise(x: Tensor, parameters: Any, std: float = 2.0) -> Tensor:
    h, recon = network(x, parameters, x + std * torch.randn_like(x))
    return half_square(x, recon) + 3 * kl(RHO, held(h.mean(0))).sum() + decay_of(parameters)


def step_with_loud_own_noise(x: Tensor, parameters: Any, rng: torch.Generator, train: bool = True) -> Tensor:
    seen = x + torch.randn(x.shape, generator=rng) if train else x
    h, recon = network(x, parameters, seen)
    return half_square(x, recon) + 3 * kl(RHO, held(h.mean(0))).sum() + decay_of(parameters)


def step_of_relu(x: Tensor, parameters: Any) -> Tensor:
    h = (x @ parameters["w1"] + parameters["b1"]).relu()
    recon = h @ parameters["w2"] + parameters["b2"]
    return half_square(x, recon) + 3 * kl(RHO, h.mean(0)).sum() + decay_of(parameters)


def step_of_tanh(x: Tensor, parameters: Any) -> Tensor:
    h = (x @ parameters["w1"] + parameters["b1"]).tanh()
    recon = h @ parameters["w2"] + parameters["b2"]
    return half_square(x, recon) + 3 * kl(RHO, h.mean(0)).sum() + decay_of(parameters)


def step_with_a_linear_output(x: Tensor, parameters: Any) -> Tensor:
    h = codes_of(x, parameters)
    recon = h @ parameters["w2"] + parameters["b2"]
    return half_square(x, recon) + 3 * kl(RHO, held(h.mean(0))).sum() + decay_of(parameters)


def step_with_a_linear_output_in_numpy(x: np.ndarray, parameters: Any) -> float:
    h = 1 / (1 + np.exp(-(x @ parameters["w1"] + parameters["b1"])))
    recon = h @ parameters["w2"] + parameters["b2"]
    decay = 1.5e-3 * (np.square(parameters["w1"]).sum() + np.square(parameters["w2"]).sum())
    penalty = 3 * np_kl(RHO, np.clip(h.mean(0), 1e-6, 1 - 1e-6)).sum()
    return float(0.5 * np.square(recon - x).sum(1).mean() + penalty + decay)


def summed(x: Tensor, codes: Tensor, recon: Tensor) -> Tensor:
    return (recon - x).square().sum() + 0.1 * codes.abs().sum()


def summed_step(x: Tensor, parameters: Any) -> Tensor:
    return len(x) * right_step(x, parameters)


WRONG: dict[str, list[Objective]] = {
    "penalty-per-activation": [every_activation, every_activation_in_numpy, every_activation_eager,
                               every_activation_squared,
                               step_of_every_activation],
    "penalty-wrong-axis": [over_features, over_features_in_numpy, step_over_features],
    "penalty-spreads": [squares_of_codes, cosh_of_codes],
    "penalty-too-weak": [error_summed_divergence_averaged, l1_averaged],
    "penalty-dominates": [error_averaged_divergence_summed, error_averaged_l1_summed],
    "batch-size-in-the-weights": [divergence_divided_by_batch, error_summed_l1_averaged],
    "summed-loss": [summed, summed_step],
    "half-a-divergence": [first_half_alone, second_half_alone, kl_div_of_torch],
    "penalty-rewards-activity": [minus_divergence, minus_l1],
    "nan-at-saturation": [log_of_every_code, log_of_every_code_in_numpy],
    "penalty-out-of-range": [step_of_relu, step_of_tanh],
    "softmax-over-inputs": [softmax_of_pixels, softmax_of_pixels_in_numpy],
    "error-rewarded": [minus_error, minus_log_likelihood_forgotten],
    "no-error": [no_error, error_of_x],
    "linear-output": [step_with_a_linear_output, step_with_a_linear_output_in_numpy],
    "no-weight-decay": [step_without_decay, step_without_decay_in_numpy, step_without_decay_with_noise],
    "filters-collapsed": [step_with_much_decay, step_of_mean_error_with_decay],
    "biases-decayed": [step_that_decays_biases, step_that_decays_the_hidden_bias, step_that_decays_the_output_bias],
    "weights-for-codes": [step_with_l1_of_weights, step_with_l1_of_all],
    "noise-in-use": [step_with_noise_in_use, step_with_noise_in_use_in_numpy],
    "noise-shared": [step_with_one_noise, step_with_one_noise_in_numpy],
    "noise-strength": [
        step_with_faint_noise, step_with_faint_uniform_noise, step_with_loud_noise, step_with_loud_own_noise,
    ],
    "inputs-changed": [changes_x, changes_codes],
    "not-finite": [root_of_the_difference, log_of_the_difference],
}  # fmt: skip
"""By the rule that must find it."""
