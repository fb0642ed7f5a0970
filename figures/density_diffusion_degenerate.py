"""Taken literally, ``D = (eta/2B)|L''|`` never lets go: the noise vanishes at the inflection.

Left: a smooth double well and its noise.  Middle: exact mean time to the saddle with a floor under
the noise, ``D = (eta/2B)(|L''| + f)``: a power of f, its exponent ``2 L'/(T |L'''|)`` at the
inflection, without limit as f goes to 0; dotted, the paper's formula, which knows no inflection.
Right: discrete SGD with the literal noise leaps over the gap; at the same eta/2B its time grows
without limit as its steps become small.
"""

from __future__ import annotations

import warnings
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp
from matplotlib.figure import Figure

import fokkerplanck as fpk
from fokkerplanck.discretize.coefficients import compile_expressions
from fokkerplanck.errors import DisconnectedWarning
from fokkerplanck.systems.smooth_wells import SmoothWells

PARAMETERS: dict[str, Any] = {
    "noises": [0.15, 0.1, 0.07],
    "floors": [1e-3, 1.0, 13],
    "cells": 26_000,
    "learning_rates": [0.14, 0.11, 0.09, 0.075, 0.063, 0.055],
    "runs": 200,
    "seed": 7,
}

x = sp.Symbol("x", real=True)
WELLS = SmoothWells(1)
SECOND = sp.diff(WELLS.loss, x, 2)


def with_floor(noise: float, floor: float, cells: int) -> float:
    """Exact mean time from a minimum to the saddle, Itô."""
    model = fpk.Diffusion((x,), [-sp.diff(WELLS.loss, x)], [[noise * (sp.Abs(SECOND) + floor)]])
    operator = fpk.assemble(model, fpk.Grid(x=(-2.6, 1.6, cells)))
    return 1 / fpk.escape_rate(operator, (-1.0,), x > 0).value


def leaping(noise: float, rate: float, p: dict[str, Any], seed: int) -> tuple[float, float]:
    """Time of discrete SGD with covariance ``2 T |L''|/eta``, and its error."""
    covariance = fpk.noise.Covariance([[2 * noise / rate * sp.Abs(SECOND)]])
    sgd = fpk.SGD(WELLS.loss, (x,), covariance, learning_rate=rate)
    found = fpk.sample_escape_rate(sgd, (-1.0,), x > 0, paths=p["runs"], step=None, seed=seed)
    return rate / found.value, rate * found.standard_error / found.value**2


def formula(noise: float) -> float:
    """The paper's, which takes the noise of minimum and saddle, halved: the target is the ridge."""
    sgd = fpk.SGD(
        WELLS.loss, (x,), fpk.noise.Covariance([[sp.Abs(SECOND)]]), learning_rate=2 * noise
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DisconnectedWarning)
        rate = fpk.theory.density_diffusion_rate(sgd, minimum=-1, saddle=0, convention="ito")
    return 0.5 / rate.value


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Loss, noise, times with a floor and times of SGD."""
    line = np.linspace(-1.5, 1.5, 301)
    floors = np.geomspace(*p["floors"])
    inflection = {x: -1 / sp.sqrt(3)}
    pull, bend = (abs(float(sp.diff(WELLS.loss, x, order).subs(inflection))) for order in (1, 3))
    return {
        "line": line,
        "curves": compile_expressions([WELLS.loss, sp.Abs(SECOND)], (x,))(line),
        "floors": floors,
        "floored": np.array([[with_floor(t, f, p["cells"]) for f in floors] for t in p["noises"]]),
        "powers": np.array([2 * pull / (t * bend) for t in p["noises"]]),
        "formula": np.array([formula(t) for t in p["noises"]]),
        "rates": np.array(p["learning_rates"]),
        "leaps": np.array(
            [
                [
                    leaping(t, eta, p, p["seed"] + 10 * i + k)
                    for k, eta in enumerate(p["learning_rates"])
                ]
                for i, t in enumerate(p["noises"])
            ]
        ),
    }


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """Landscape, floor and steps."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(7.0, 2.9))
    for values, label, style in zip(
        arrays["curves"], ("$L$", r"$D\,/\,(\eta/2B) = |L''|$"), ("-", "--"), strict=True
    ):
        left.plot(arrays["line"], values, style, label=label)
    for place in (-1, 1):
        left.plot(place / np.sqrt(3), 0, "o", color="k", ms=4, clip_on=False, zorder=5)
    left.set(xlabel=r"$\theta$", ylim=(0, 11), title="the noise vanishes at ●")
    left.legend(loc="upper center")
    for i, noise in enumerate(PARAMETERS["noises"]):
        look = {"color": f"C{i}", "label": rf"$\eta/2B = {noise:g}$"}
        middle.loglog(arrays["floors"], arrays["floored"][i], **look)
        asymptote = arrays["floors"] ** -arrays["powers"][i]
        asymptote *= arrays["floored"][i, 0] / asymptote[0]
        few = arrays["floors"] < 0.03
        middle.loglog(arrays["floors"][few], asymptote[few], "k--", lw=0.8)
        for axes in (middle, right):
            axes.axhline(arrays["formula"][i], color=f"C{i}", ls=":", lw=1)
        time, error = arrays["leaps"][i].T
        right.errorbar(1 / arrays["rates"], time, error, fmt="os^"[i] + "-", **look)
    middle.plot([], [], "k--", lw=0.8, label=r"$\propto f^{-2L'/T|L'''|}$")
    middle.plot([], [], "k:", label="formula")
    middle.set(xlabel="floor $f$", ylabel=r"mean time to the saddle", title="a floor of noise")
    right.set(xlabel=r"$1/\eta$", yscale="log", title="discrete SGD, no floor")
    middle.legend(loc="upper right")
    return figure
