"""Phase slips beyond the edge of stability: the eigenvalue of the chain next to -1.

The chain alternates between the ends of a 2-cycle; now and then the noise makes it miss a beat.
Left: the rate at which the phase is forgotten, ``lambda = -ln |second eigenvalue|``, twice the rate
of slips, against the barrier of ``U = s^2 - eta L`` over the noise (quartic, S = Q = 1): exact
one-step operator, Fokker–Planck operator of the stochastic rod, Kramers' formula for its two wells,
and slips counted in runs of SGD.  Right: each over the exact one.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import fokkerplanck as fpk
from fokkerplanck.systems.edge_of_stability import Quartic

PARAMETERS: dict[str, Any] = {
    "products": [2.05, 2.1, 2.2, 2.4],
    "barriers": [1, 1.5, 2, 3, 4, 5, 6.5, 8],
    "counted": [1, 2, 3],
    "end": 0.95,
    "widths": 7,
    "cells": 800,
    "runs": 400,
    "steps": 8000,
    "seed": 17,
}

METHODS = ("exact", "order 1", "order 2", "Kramers")


def model(product: float, barrier: float) -> fpk.SGD:
    """SGD on the quartic whose rod has this barrier over noise, ``(mu^2/(4 eta))/(sigma^2/2)``."""
    variance = (product - 2) ** 2 / (2 * product * barrier)
    quartic = Quartic(1, 1)
    noise = fpk.noise.Isotropic(variance / product**2)
    return fpk.SGD(quartic.loss, quartic.variables, noise, learning_rate=product)


def rates(product: float, barrier: float, p: dict[str, Any]) -> list[float]:
    """Rate a step at which the phase is forgotten, by `METHODS`.

    The domain ends some standard deviations of a well beyond it, and where the quartic ends.
    """
    sgd, well = model(product, barrier), float(Quartic(1, 1).symmetric_extent(product)) ** 0.5
    width = np.sqrt((product - 2) / (8 * product * barrier))
    end, cells = min(well + p["widths"] * width, p["end"]), p["cells"]
    chain = fpk.transition_operator(sgd, fpk.Panels(w=(-end, end)))
    found = [-np.log(-min(np.real(fpk.spectrum(chain, 3).info["eigenvalues"])))]
    rods = [fpk.StochasticRod(sgd, order=order) for order in (1, 2)]  # type: ignore[arg-type]
    for rod in rods:
        operator = fpk.assemble(rod, fpk.Grid(s=(-end, end, cells)))
        found.append(product * float(fpk.spectrum(operator, 2).rates[1]))
    kramers = fpk.theory.kramers_rate(rods[0], minimum=well, saddle=0.0)
    return [float(rate) for rate in (*found, 2 * product * kramers.value)]


def counted(product: float, barrier: float, p: dict[str, Any], seed: int) -> tuple[float, float]:
    """Twice the slips a step and run of SGD, and its standard error.

    A slip is a passage of ``(-1)^n w`` from beyond half of one well to beyond half of the other.
    """
    well = float(Quartic(1, 1).symmetric_extent(product)) ** 0.5
    runs = fpk.simulate_sgd(
        model(product, barrier), (well,), steps=p["steps"], runs=p["runs"], seed=seed, save_every=1
    )
    signs = np.where(runs.steps % 2, -1, 1)[:, np.newaxis]
    staggered = runs.values[:, :, 0] * signs
    side = np.where(np.abs(staggered) > well / 2, np.sign(staggered), 0.0)
    slips = np.zeros(p["runs"])
    last = np.ones(p["runs"])
    for row in side:
        slips += row * last < 0
        last = np.where(row == 0, last, row)
    scale = 2 / p["steps"]
    return scale * float(slips.mean()), scale * float(slips.std(ddof=1) / np.sqrt(p["runs"]))


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Rates of every product, barrier and method; counted ones with their errors."""
    arrays = {"products": np.array(p["products"]), "barriers": np.array(p["barriers"], float)}
    arrays["rates"] = np.array([[rates(q, b, p) for b in p["barriers"]] for q in p["products"]])
    arrays["counted"] = np.array(
        [
            [counted(q, b, p, p["seed"] + 10 * i + j) for j, b in enumerate(p["counted"])]
            for i, q in enumerate(p["products"][1:3])
        ]
    )
    return arrays | {"counted_at": np.array(p["counted"], float)}


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """Rates, and their ratios to the exact ones."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.3), width_ratios=[1, 1.15])
    _rates(left, arrays)
    _ratios(right, arrays)
    return figure


def _rates(axes: Axes, arrays: dict[str, np.ndarray]) -> None:
    for i, product in enumerate(arrays["products"]):
        exact, _, second, kramers = arrays["rates"][i].T
        axes.semilogy(arrays["barriers"], exact, "o", color=f"C{i}", ms=3.5)
        axes.plot(arrays["barriers"], second, color=f"C{i}", lw=1.2)
        axes.plot(arrays["barriers"], kramers, ":", color=f"C{i}", lw=1.1)
        axes.text(
            arrays["barriers"][-1] + 0.2, exact[-1], f"{product:g}", color=f"C{i}", va="center"
        )
    for i in range(len(arrays["counted"])):
        rate, error = arrays["counted"][i].T
        axes.errorbar(arrays["counted_at"], rate, 2 * error, fmt="s", ms=6, mfc="none", color="k",
                      lw=0.8)  # fmt: skip
    axes.plot([], [], "o", color="0.3", ms=3.5, label="one-step operator")
    axes.plot([], [], color="0.3", lw=1.2, label="stochastic rod, order 2")
    axes.plot([], [], ":", color="0.3", lw=1.1, label="Kramers")
    axes.plot([], [], "s", color="k", ms=6, mfc="none", label="SGD, slips counted")
    axes.text(8.2, 0.02, r"$\eta S$", color="0.3")
    axes.set(
        xlabel=r"barrier over noise $\Delta U/D$",
        ylabel=r"$\lambda$ per step",
        title="the phase is forgotten at the rate $\\lambda$",
        xlim=(0.6, 9.6),
        ylim=(3e-6, 4),
    )
    axes.legend(loc="upper right", fontsize=7.5)


def _ratios(axes: Axes, arrays: dict[str, np.ndarray]) -> None:
    for i, product in enumerate(arrays["products"]):
        exact = arrays["rates"][i][:, 0]
        for k, style in ((1, "--"), (2, "-"), (3, ":")):
            axes.plot(arrays["barriers"], arrays["rates"][i][:, k] / exact, style, color=f"C{i}",
                      lw=1.2)  # fmt: skip
        axes.plot([], [], color=f"C{i}", label=f"{product:g}")
    axes.axhline(1, color="0.5", lw=0.8)
    axes.set(
        xlabel=r"barrier over noise $\Delta U/D$",
        title="over that of the operator",
        xlim=(0.6, 8.4),
        ylim=(0.4, 1.22),
    )
    first = axes.legend(loc="lower right", title=r"$\eta S$", ncols=2, title_fontsize=8)
    axes.add_artist(first)
    handles = [
        axes.plot([], [], style, color="0.3", lw=1.2, label=name)[0]
        for style, name in (("--", "rod, order 1"), ("-", "rod, order 2"), (":", "Kramers"))
    ]
    axes.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.36, 0.0))
