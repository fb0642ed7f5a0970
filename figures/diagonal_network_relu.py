"""The law of balance on a two-layer ReLU network, 20-200-20, along SGD.

A linear teacher with label noise, 4000 samples, minibatches of 10; hidden units are scaled freely
between the layers, so ``Q = |U|^2 - |W|^2`` is a charge: ``dQ/dt = -T (u^T C1 u - w^T C2 w)``, the
two forms being the traces of the covariance of one sample's gradient with respect to W and to U.
Left: the two norms.  Middle: the two forms, which SGD makes equal.  Right: Q measured, less what
gradient descent's own finite step does to it, and predicted from the forms; shaded, one standard
error over four runs.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

PARAMETERS: dict[str, Any] = {
    "sizes": [20, 200, 20],
    "samples": 4000,
    "noise": 1.0,
    "batch": 10,
    "rate": 1e-2,
    "steps": 15_000,
    "every": 100,
    "scales": [0.3, 0.1],
    "runs": 4,
    "seed": 83,
}

Weights = tuple[np.ndarray, np.ndarray]


def data(p: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Inputs, and targets of a linear teacher with noise."""
    rng = np.random.default_rng(p["seed"])
    first, _, last = p["sizes"]
    inputs = rng.standard_normal((p["samples"], first))
    teacher = rng.standard_normal((first, last)) / np.sqrt(first)
    noise = p["noise"] * rng.standard_normal((p["samples"], last))
    return inputs, inputs @ teacher + noise


def start(p: dict[str, Any], seed: int) -> Weights:
    """Normal weights, the inner layer larger than the outer one."""
    rng = np.random.default_rng(seed)
    first, hidden, last = p["sizes"]
    inner, outer = p["scales"]
    return (
        inner * rng.standard_normal((first, hidden)) / np.sqrt(first),
        outer * rng.standard_normal((hidden, last)) / np.sqrt(hidden),
    )


def errors(weights: Weights, inputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, ...]:
    """Hidden activations, errors at the output and at hidden units, of half the squared error."""
    inner, outer = weights
    before = inputs @ inner
    hidden = np.maximum(before, 0)
    last = hidden @ outer - targets
    return hidden, last, (last @ outer.T) * (before > 0)


def gradients(weights: Weights, inputs: np.ndarray, targets: np.ndarray) -> Weights:
    """Mean gradient of a batch for the two layers."""
    hidden, last, back = errors(weights, inputs, targets)
    count = len(inputs)
    return inputs.T @ back / count, hidden.T @ last / count


def forms(weights: Weights, inputs: np.ndarray, targets: np.ndarray) -> tuple[float, float, float]:
    """``w^T C2 w`` and ``u^T C1 u``, and ``|mean grad_U|^2 - |mean grad_W|^2``."""
    hidden, last, back = errors(weights, inputs, targets)
    inner, outer = (float(np.sum(g**2)) for g in gradients(weights, inputs, targets))
    # |a b^T|^2 = |a|^2 |b|^2 for the gradient of every sample.
    spread_inner = float(np.mean((inputs**2).sum(axis=1) * (back**2).sum(axis=1))) - inner
    spread_outer = float(np.mean((hidden**2).sum(axis=1) * (last**2).sum(axis=1))) - outer
    return spread_inner, spread_outer, inner - outer


def trained(p: dict[str, Any], seed: int) -> np.ndarray:
    """Norms, forms and the step term of gradient descent at every saved step."""
    inputs, targets = data(p)
    weights = start(p, p["seed"])
    rng = np.random.default_rng(seed)
    rows = []
    for step in range(p["steps"] + 1):
        if step % p["every"] == 0:
            norms = [float(np.sum(w**2)) for w in weights]
            rows.append([*norms, *forms(weights, inputs, targets)])
        chosen = rng.integers(p["samples"], size=p["batch"])
        slope = gradients(weights, inputs[chosen], targets[chosen])
        weights = tuple(w - p["rate"] * g for w, g in zip(weights, slope, strict=True))
    return np.array(rows).T


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Every run's norms and forms, charges measured and predicted, and their ratio."""
    runs = np.array([trained(p, p["seed"] + 1 + k) for k in range(p["runs"])])
    inner, outer, spread_inner, spread_outer, step = runs.transpose(1, 0, 2)
    time = p["rate"] * p["every"]

    def integral(rate: np.ndarray) -> np.ndarray:
        sums = np.cumsum((rate[:, 1:] + rate[:, :-1]) / 2, axis=1)
        return time * np.concatenate([np.zeros((len(rate), 1)), sums], axis=1)

    charge = inner - outer
    temperature = p["rate"] / p["batch"]
    predicted = integral(temperature * (spread_inner - spread_outer))
    descent = integral(p["rate"] * step)
    measured = charge - charge[:, :1] - descent
    ratio = measured[:, -1] / predicted[:, -1]
    return {
        "steps": p["every"] * np.arange(charge.shape[1]),
        "norms": np.stack([inner.mean(axis=0), outer.mean(axis=0)]),
        "forms": np.stack([spread_inner.mean(axis=0), spread_outer.mean(axis=0)]),
        "measured": np.stack([measured.mean(axis=0), measured.std(axis=0, ddof=1) / 2]),
        "predicted": predicted.mean(axis=0),
        "descent": descent.mean(axis=0),
        "start": charge[0, 0],
        "ratio": np.array([ratio.mean(), ratio.std(ddof=1) / np.sqrt(p["runs"])]),
    }


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """Norms, forms, and the charge."""
    figure, (norms, forms_, charge) = plt.subplots(1, 3, figsize=(7.0, 2.5))
    steps = arrays["steps"] / 1000
    for k, label in enumerate((r"$|U|^2$", r"$|W|^2$")):
        norms.plot(steps, arrays["norms"][k], color=f"C{k}", label=label)
    for k, label in enumerate((r"$w^\mathsf{T}C_2w$", r"$u^\mathsf{T}C_1u$")):
        forms_.semilogy(steps, arrays["forms"][k], color=f"C{k}", label=label)
    mean, error = arrays["measured"]
    charge.fill_between(steps, mean - error, mean + error, color="C0", alpha=0.35, lw=0)
    charge.plot(steps, mean, color="C0", label="measured")
    charge.plot(steps, arrays["predicted"], "--", color="k", label="law of balance")
    for axis, label in (
        (norms, "squared norm"),
        (forms_, "trace of the noise"),
        (charge, r"change of $|U|^2-|W|^2$"),
    ):
        axis.set(xlabel="step / 1000", ylabel=label)
        axis.legend(loc="best")
    return figure
