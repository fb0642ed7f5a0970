"""``u^2 - w^2`` along gradient descent, SGD, and gradient descent with Gaussian noise.

Two layers, ``y = x + noise`` of standard deviation 1/2, the same start (1.5, .3), learning rate .02
and, for SGD, one sample a step.  Gradient descent keeps ``q = u^2 - w^2`` up to its step, isotropic
Gaussian noise of the same trace spreads it, SGD takes it to 0: bands hold the middle 80 % of 200
runs.  Dashed: the law of balance ``dq/dt = -4 T G(v) q`` along the runs' own v.  Dotted: with what
each step takes from q already without noise, ``G + (beta1 v - beta2)^2`` for G, of order eta and no
part of the diffusion: with it the law is exact on average.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp
from matplotlib.figure import Figure

import fokkerplanck as fpk
from figures._diagonal_network import network

PARAMETERS: dict[str, Any] = {
    "rate": 0.02,
    "start": [1.5, 0.3],
    "steps": 6000,
    "every": 10,
    "runs": 200,
    "samples": 20_000,
    "seed": 71,
}


LABELS = {
    "gaussian": "descent, Gaussian noise",
    "sgd": "SGD",
    "descent": "gradient descent",
    "law": "law of balance",
    "full": "with the finite step",
}


def charges(optimizer: fpk.SGD, p: dict[str, Any], runs: int) -> tuple[np.ndarray, np.ndarray]:
    """q and v, shape (saved steps, runs)."""
    found = fpk.simulate_sgd(
        optimizer,
        tuple(p["start"]),
        steps=p["steps"],
        runs=runs,
        seed=p["seed"],
        save_every=p["every"],
    ).values
    return found[..., 0] ** 2 - found[..., 1] ** 2, found.prod(axis=-1)


def predicted(charge: np.ndarray, rate: np.ndarray, p: Any) -> tuple[np.ndarray, np.ndarray]:
    """q decaying at that rate, and measured over predicted loss of q with its error."""

    def integral(speed: np.ndarray) -> np.ndarray:
        sums = np.cumsum((speed[1:] + speed[:-1]) / 2, axis=0)
        return p["rate"] * p["every"] * np.concatenate([np.zeros((1, p["runs"])), sums])

    fall, expected = charge[0] - charge[-1], integral(rate * charge)[-1]
    ratio = fall.mean() / expected.mean()
    error = (fall - ratio * expected).std(ddof=1) / np.sqrt(p["runs"]) / expected.mean()
    return charge[0] * np.exp(-integral(rate)), np.array([ratio, error])


def compute(**p: Any) -> dict[str, np.ndarray]:
    """q along the three, the law's prediction, and the measured rate over the predicted one."""
    rng = np.random.default_rng(p["seed"])
    inputs = rng.standard_normal(p["samples"])
    targets = inputs + 0.5 * rng.standard_normal(p["samples"])
    model = network(1, p["rate"])
    with_data = model.with_data(inputs, targets, temperature=p["rate"])
    sgd = model.optimizer(inputs, targets)
    v = model.output
    loss = v**2 - 2 * v + sp.Rational(5, 4)
    u, w = model.variables
    # As much noise as SGD has at the minimum: G = .25, gradients 2 (w, u).
    gaussian = fpk.SGD(loss, (u, w), fpk.noise.Isotropic(1.0), learning_rate=p["rate"])
    silent = fpk.SGD(loss, (u, w), fpk.noise.Isotropic(0), learning_rate=p["rate"])
    charge, value = charges(sgd, p, p["runs"])
    a1, a2, a3 = (float(a) for a in with_data.alpha)
    b1, b2 = (float(b) for b in with_data.beta)
    strength = a1 * value**2 - 2 * a2 * value + a3
    mean = (b1 * value - b2) ** 2
    law, ratio = predicted(charge, 4 * p["rate"] * strength, p)
    full, full_ratio = predicted(charge, 4 * p["rate"] * (strength + mean), p)
    spread, _ = charges(gaussian, p, p["runs"])
    kept, _ = charges(silent, p, 1)
    quantiles = [10, 50, 90]
    return {
        "steps": p["every"] * np.arange(charge.shape[0]),
        "sgd": np.percentile(charge, quantiles, axis=1),
        "law": np.median(law, axis=1),
        "full": np.median(full, axis=1),
        "gaussian": np.percentile(spread, quantiles, axis=1),
        "gaussian_mean": np.array([spread[-1].mean(), spread[-1].std() / np.sqrt(p["runs"])]),
        "descent": kept[:, 0],
        "smallest": np.array(value.min()),
        "ratio": ratio,
        "full_ratio": full_ratio,
    }


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """q against the step, in numbers and in logarithms."""
    figure, axes = plt.subplots(1, 2, figsize=(7.0, 2.8), sharex=True)
    steps = arrays["steps"]
    for axis, names in zip(axes, (("gaussian", "sgd"), ("sgd",)), strict=True):
        for name in names:
            color = {"gaussian": "C2", "sgd": "C0"}[name]
            low, middle, high = arrays[name]
            axis.fill_between(steps, low, high, color=color, alpha=0.25, lw=0)
            axis.plot(steps, middle, color=color, label=LABELS[name])
        for name, look in (
            ("descent", {"color": "k"}),
            ("law", {"color": "C1", "ls": "--"}),
            ("full", {"color": "0.3", "ls": ":"}),
        ):
            axis.plot(steps, arrays[name], label=LABELS[name], **look)
        axis.set(xlabel="step", ylabel="$u^2-w^2$")
    axes[1].set_yscale("log")
    axes[1].set_ylim(0.1, 3)
    axes[0].axhline(0, color="0.6", lw=0.8, ls=":")
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=5, fontsize=7
    )
    return figure
