"""Minus the logarithm of the escape rate against B, 1/eta, 1/k, and against 1/D and k.

Top: SGD on the function of Styblinski and Tang, one sample a shifted copy, in 2 and 10 dimensions;
lines: the exact one-step operator of one coordinate, of which n are independent.  Middle: minibatch
SGD in logistic regression with two weights, until the quadratic excess loss is above a threshold;
dashed: slope of the normal approximation, ``dL/lambda_max(H^(1/2) S H^(1/2))`` with the Lyapunov
covariance S.  Bottom: white noise of strength D.  Numbers: slopes of straight lines fitted to the
points, with standard errors, and chi-square per degree of freedom.  Rates of SGD are per unit of
time ``eta k steps``, in which those of its diffusion depend on eta k/B alone; those of white noise
per unit of time ``eta steps``.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.linalg import solve_continuous_lyapunov

import fokkerplanck as fpk
from figures._line import line
from figures._minimum import minimum
from fokkerplanck.systems.styblinski_tang import StyblinskiTang
from fokkerplanck.systems.tabular import Classifier, load_table

PARAMETERS: dict[str, Any] = {
    "dimensions": [2, 10],
    "rate": 0.02,
    "batches": [1, 2, 3, 4],
    "rates": [0.03, 0.024, 0.02, 0.0165, 0.014],
    "scaled_rate": 0.01,
    "noises": [9.0, 7.6, 6.6, 5.8],
    "scales": [1.0, 2.0, 4.0, 8.0],
    "white_rate": 0.0005,
    "columns": [0, 1],
    "decay": 0.05,
    "threshold": 0.05,
    "logistic_rate": 1.0,
    "logistic_batches": [4, 5, 6, 7, 8],
    "logistic_rates": [1.0, 0.8, 0.67, 0.57, 0.5],
    "logistic_batch": 4,
    "logistic_scaled_rate": 0.5,
    "logistic_noises": [0.02, 0.014, 0.011, 0.009],
    "logistic_white_rate": 0.5,
    "paths": 400,
    "seed": 61,
}

MARKERS = "os"
SPREAD = (-24, 8)  # one coordinate: an excursion to -6 leaps back by more than the whole well
COUNTED = 4000  # steps, after which survival falls by equal factors


def measured(model: Any, start: Any, target: Any, p: dict[str, Any], seed: int) -> list[float]:
    """``-ln rate`` per step, and its error."""
    rate = fpk.sample_escape_rate(
        model, start, target, paths=p["paths"], step=None, seed=p["seed"] + seed
    )
    return [-np.log(rate.value), rate.standard_error / rate.value]


def one_step(model: fpk.SGD, one: StyblinskiTang, dimensions: list[int]) -> list[float]:
    """``-ln rate`` of the first of n independent coordinates, from the survival of one."""
    operator = fpk.transition_operator(model, fpk.Panels(theta_1=SPREAD))
    region = one.variables[0] > one.critical_points[1]
    survival = fpk.first_passage_distribution(operator, one.start, region, steps=COUNTED).survival
    ratio = survival[-1] / survival[-2]
    found = []
    for n in dimensions:
        tail = survival[-1] ** n * ratio**n / (1 - ratio**n)
        skipped = float(survival[0] < 1)  # when step 0 is not counted
        found.append(np.log(np.sum(survival**n) + tail + skipped))
    return found


def styblinski_tang(p: dict[str, Any]) -> dict[str, np.ndarray]:
    """Points (series, dimensions, place, 2) and lines (series, dimensions, place) of SGD."""
    cases = {
        "batch": [(p["rate"], b, 1.0) for b in p["batches"]],
        "rate": [(eta, 1, 1.0) for eta in p["rates"]],
        "scale": [(p["scaled_rate"], 1, eta / p["scaled_rate"]) for eta in p["rates"]],
    }
    arrays: dict[str, np.ndarray] = {}
    for s, (name, settings) in enumerate(cases.items()):
        points = np.empty((len(p["dimensions"]), len(settings), 2))
        lines = np.empty(points.shape[:2])
        for k, (eta, batch, scale) in enumerate(settings):
            # In u = sqrt(k) theta a step depends on eta k alone.
            one = StyblinskiTang(1)
            lines[:, k] = one_step(one.optimizer(eta * scale, batch), one, p["dimensions"])
            lines[:, k] += np.log(eta * scale)
            for i, n in enumerate(p["dimensions"]):
                model = StyblinskiTang(n, scale)
                points[i, k] = measured(
                    model.optimizer(eta, batch), model.start, model.left(), p, 100 * s + 10 * k + i
                )
                points[i, k, 0] += np.log(eta * scale)
        arrays |= {f"tang_{name}": points, f"tang_{name}_line": lines}
    return arrays


def white(p: dict[str, Any]) -> dict[str, np.ndarray]:
    """The function itself under white noise: against 1/D and, at fixed D, against k."""
    eta = p["white_rate"]
    cases = {
        "noise": [(d, 1.0) for d in p["noises"]],
        "white_scale": [(p["noises"][1], k) for k in p["scales"]],
    }
    arrays = {}
    for s, (name, settings) in enumerate(cases.items()):
        points = np.empty((len(p["dimensions"]), len(settings), 2))
        for k, (noise, scale) in enumerate(settings):
            for i, n in enumerate(p["dimensions"]):
                model = StyblinskiTang(n, scale, 0)
                # The same eta H at every scale.
                step = eta / scale
                sgd = fpk.SGD(
                    model.loss,
                    model.variables,
                    fpk.noise.Isotropic(2 * noise / step),
                    learning_rate=step,
                )
                points[i, k] = measured(
                    sgd, model.start, model.left(), p, 500 + 100 * s + 10 * k + i
                )
                points[i, k, 0] += np.log(step)
        arrays[f"tang_{name}"] = points
    return arrays


def logistic(p: dict[str, Any]) -> dict[str, np.ndarray]:
    """Minibatch SGD against B, 1/eta and 1/k, white noise against 1/D."""
    table = load_table(columns=p["columns"])
    eta, batch = p["logistic_rate"], p["logistic_batch"]
    slow = p["logistic_scaled_rate"]
    cases = {
        "batch": [(eta, b, 1.0) for b in p["logistic_batches"]],
        "rate": [(e, batch, 1.0) for e in p["logistic_rates"]],
        "scale": [(slow, batch, e / slow) for e in p["logistic_rates"]],
    }
    arrays: dict[str, np.ndarray] = {}
    plain = Classifier(*table, decay=p["decay"])
    theta, hessian, noise = minimum(plain.optimizer(eta))
    root = np.linalg.cholesky(hessian)
    spread = np.linalg.eigvalsh(root.T @ solve_continuous_lyapunov(hessian, noise) @ root)[-1]
    arrays["exponent"] = np.array(p["threshold"] / spread)  # times B/eta

    def left(variables: Any, scale: float) -> Any:
        away = sp.Matrix(variables) * sp.sqrt(scale) - sp.Matrix(theta)
        return (away.T * sp.Matrix(hessian) * away)[0] / 2 > p["threshold"]

    for s, (name, settings) in enumerate(cases.items()):
        points = []
        for k, (rate, size, scale) in enumerate(settings):
            model = Classifier(*table, decay=p["decay"], scale=scale)
            start = tuple(theta / np.sqrt(scale))
            sgd = model.optimizer(rate, size)
            found = measured(sgd, start, left(model.variables, scale), p, 900 + 100 * s + k)
            points.append([found[0] + np.log(rate * scale), found[1]])
        arrays[f"logistic_{name}"] = np.array([points])
    points, rate = [], p["logistic_white_rate"]
    for k, strength in enumerate(p["logistic_noises"]):
        sgd = fpk.SGD(
            plain.optimizer(1).objective,
            plain.variables,
            fpk.noise.Isotropic(2 * strength / rate),
            learning_rate=rate,
        )
        found = measured(sgd, tuple(theta), left(plain.variables, 1.0), p, 1300 + k)
        points.append([found[0] + np.log(rate), found[1]])
    arrays["logistic_noise"] = np.array([points])
    return arrays


def compute(**p: Any) -> dict[str, np.ndarray]:
    """All series."""
    return {**styblinski_tang(p), **white(p), **logistic(p)}


def rounded(value: float, error: float) -> str:
    """A number and its error, to the first digit of the error."""
    digits = max(0, -int(np.floor(np.log10(error))))
    return rf"${value:.{digits}f} \pm {error:.{digits}f}$"


def series(p: dict[str, Any]) -> dict[str, tuple[np.ndarray, str]]:
    """Abscissa and its label of every series."""
    inverse = 1 / np.array(p["rates"])
    logistic_inverse = 1 / np.array(p["logistic_rates"])
    return {
        "tang_batch": (np.array(p["batches"], float), "$B$"),
        "tang_rate": (inverse, r"$1/\eta$"),
        "tang_scale": (p["scaled_rate"] * inverse, "$1/k$"),
        "logistic_batch": (np.array(p["logistic_batches"], float), "$B$"),
        "logistic_rate": (logistic_inverse, r"$1/\eta$"),
        "logistic_scale": (p["logistic_scaled_rate"] * logistic_inverse, "$1/k$"),
        "tang_noise": (1 / np.array(p["noises"]), "$1/D$"),
        "tang_white_scale": (np.log(p["scales"]), r"$\ln k$"),
        "logistic_noise": (1 / np.array(p["logistic_noises"]), "$1/D$"),
    }


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """SGD on two losses, white noise below."""
    p = PARAMETERS
    figure, axes = plt.subplots(3, 3, figsize=(7.0, 7.0))
    for panel, (name, (places, label)) in zip(axes.flat, series(p).items(), strict=True):
        _panel(panel, arrays, name, places)
        panel.set_xlabel(label)
    predicted = float(arrays["exponent"])
    eta, batch = p["logistic_rate"], p["logistic_batch"]
    slopes = (predicted / eta, predicted * batch, predicted * batch / p["logistic_scaled_rate"])
    for panel, slope in zip(axes[1], slopes, strict=True):
        low, high = panel.get_xlim()
        ends = np.array([low, high])
        middle = np.mean([line_.get_ydata().mean() for line_ in panel.lines[:1]])
        panel.plot(ends, middle + slope * (ends - ends.mean()), "k--", lw=0.8)
        panel.text(0.97, 0.05, f"theory {slope:.3g}", transform=panel.transAxes, ha="right")
        panel.set_xlim(low, high)
    for row, name in zip(
        axes, ("SGD, Styblinski–Tang", "SGD, logistic regression", "white noise"), strict=True
    ):
        row[0].set_ylabel(r"$-\ln$ rate")
        row[1].set_title(name)
    axes[0, 0].legend(loc="lower right")
    axes[2, 0].set_title("Styblinski–Tang", fontsize=8, loc="left")
    axes[2, 2].set_title("logistic regression", fontsize=8, loc="right")
    return figure


def _panel(panel: Axes, arrays: dict[str, np.ndarray], name: str, places: np.ndarray) -> None:
    for i, points in enumerate(arrays[name]):
        color = f"C{i}" if name.startswith("tang") else "C2"
        slope, error, constant, chi = line(places, points)
        panel.errorbar(
            places,
            *points.T,
            fmt=MARKERS[i],
            color=color,
            label=rf"$n = {PARAMETERS['dimensions'][i]}$" if name.startswith("tang") else None,
        )
        if f"{name}_line" in arrays:
            panel.plot(places, arrays[f"{name}_line"][i], color=color, lw=0.9)
        else:
            panel.plot(places, slope * places + constant, color=color, lw=0.9)
        panel.text(
            0.04,
            0.97 - 0.1 * i,
            rf"{rounded(slope, error)}, $\chi^2$ {chi:.1f}",
            transform=panel.transAxes,
            va="top",
            fontsize=7,
            color=color,
        )
    low, high = panel.get_ylim()
    panel.set_ylim(low, high + 0.3 * (high - low))
