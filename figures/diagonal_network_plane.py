"""Collapse onto balance: the density of ``z = ln(u w)`` and ``q = u^2 - w^2`` as time goes on.

Two layers, ``y = x + noise`` of standard deviation 1/2, T = .05; Itô's formula takes the equation
of the weights to ``(v, q)`` and on to the plane, whose noise has rank one: q has a drift alone,
``dq = -4 T G(v) q dt``.  Finite volumes follow the density, which never becomes negative, while
tamed Euler–Maruyama follows the weights themselves (step h and h/2, extrapolated to h = 0; bars are
one standard error).  ``G >= min G`` bounds every single path by ``q(0) exp(-4 T min G t)``.  The
last marginal of v is compared with the closed form, of which the walls at z = -3.5 and 4 cut 1e-8.
At q = 0 v cannot change its sign; with q = 1 a few paths in 10000 do, before they are balanced.

Upwinding moves mass from cell to cell of q, and the mass of a cell flows through its lower face f
at the rate ``4 T G f``.  So the mean of f obeys the law of balance on any grid: it is the E[q]
shown.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp
from matplotlib.figure import Figure

import fokkerplanck as fpk
from fokkerplanck.errors import DisconnectedWarning
from fokkerplanck.systems.diagonal_network import DiagonalNetwork

PARAMETERS: dict[str, Any] = {
    "temperature": 0.05,
    "z": [-3.5, 4.0, 150],
    "q": [0.0, 1.25, 60],
    "center": [-0.5, 1.0],
    "spread": 0.06,
    "times": [0.0, 0.5, 2.0, 5.0, 10.0, 20.0, 30.0, 40.0, 60.0],
    "shown": [0.0, 0.5, 5.0, 20.0, 60.0],
    "paths": 4000,
    "step": 0.01,
    "until": 40.0,
    "seed": 31,
}

u, w = sp.symbols("u w", positive=True)
v, z, q = sp.symbols("v z q", real=True)


def network(temperature: float) -> DiagonalNetwork:
    """The network of the figure."""
    return DiagonalNetwork.with_linear_targets(1, 0.5, temperature=temperature)


@cache
def weights(temperature: float) -> fpk.Diffusion:
    """The diffusion of SGD's weights, from per-sample gradients and the moments of the data."""
    x, e = sp.symbols("x e", real=True)
    loss, normal = (u * w * x - x - e / 2) ** 2, {1: 0, 2: 1, 3: 0, 4: 3}
    noise = fpk.noise.PerSample(loss, {x: normal, e: normal})
    return fpk.SGD(loss, (u, w), noise, learning_rate=sp.nsimplify(temperature)).diffusion()


@cache
def plane(temperature: float) -> fpk.Diffusion:
    """The same in ``(z, q)``, by way of ``(v, q)``."""
    halfway = weights(temperature).change_variables((v, q), [u * w, u**2 - w**2])
    return halfway.change_variables((z, q), [sp.log(v), q])


def evolved(p: dict[str, Any]) -> tuple[fpk.Evolution, np.ndarray]:
    """Densities in time, and the mean of q at each (see above)."""
    grid = fpk.Grid({z: tuple(p["z"]), q: tuple(p["q"])})
    with warnings.catch_warnings():
        # q has no noise: probability flows towards balance and never back.
        warnings.simplefilter("ignore", DisconnectedWarning)
        operator = fpk.assemble(plane(p["temperature"]), grid)
    start = fpk.gaussian_density(grid, p["center"], p["spread"] ** 2 * np.eye(2))
    evolution = fpk.evolve(operator, start, p["times"], tolerance=1e-3)
    faces = grid.edges[1][:-1]
    return evolution, np.array([d.masses.sum(axis=0) @ faces for d in evolution.densities])


def sampled(p: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, int]:
    """Mean of q and its standard error at the times, and how many paths changed the sign of v."""
    means, errors, crossed = [], [], 0
    times = [t for t in p["times"] if t <= p["until"]]
    for half in (0, 1):
        rng = np.random.default_rng([p["seed"], half])
        cell = (p["q"][1] - p["q"][0]) / p["q"][2]
        center = np.array(p["center"]) - [0, cell / 2]
        log_v, charge = (center + p["spread"] * rng.standard_normal((p["paths"], 2))).T
        larger = np.sqrt((charge + np.sqrt(charge**2 + 4 * np.exp(2 * log_v))) / 2)
        runs = fpk.simulate(
            weights(p["temperature"]),
            np.stack([larger, np.exp(log_v) / larger], axis=1),
            duration=p["until"],
            step=p["step"] / 2**half,
            paths=p["paths"],
            seed=p["seed"] + half,
            save_every=int(0.5 * 2**half / p["step"]),
            scheme=fpk.Tamed(),
        )
        at = runs.values[[round(2 * t) for t in times]]
        charges = at[..., 0] ** 2 - at[..., 1] ** 2
        means.append(charges.mean(axis=1))
        errors.append(charges.std(axis=1) / np.sqrt(p["paths"]))
        crossed += int((runs.values.prod(axis=-1) < 0).any(axis=0).sum())
    return 2 * means[1] - means[0], np.hypot(2 * errors[1], errors[0]), crossed


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Densities, E[q] by solver and by samples, the bound, and marginals of v."""
    model = network(p["temperature"])
    evolution, charge = evolved(p)
    mean, error, crossed = sampled(p)
    grid = evolution.grid
    values, fine = np.exp(grid.centers[0]), np.linspace(0.2, 2.0, 400)
    widths = np.diff(grid.edges[0])
    marginals = np.array([d.masses.sum(axis=1) for d in evolution.densities])
    exact = model.pdf(values) * values * widths
    a1, a2, a3 = (float(a) for a in model.alpha)
    least = a3 - a2**2 / a1
    return {
        "densities": np.array(
            [evolution.densities[p["times"].index(t)].values for t in p["shown"]]
        ),
        "smallest": np.array(evolution.values.min()),
        "z_edges": grid.edges[0],
        "q_edges": grid.edges[1],
        "charge": charge,
        "bound": charge[0] * np.exp(-4 * p["temperature"] * least * np.array(p["times"])),
        "sampled": np.stack([mean, error]),
        "crossed": np.array(crossed),
        "v": values,
        "marginal": marginals[-1] / (widths * values),
        "closed_form": np.stack([fine, model.pdf(fine)]),
        "distance": np.abs(marginals - exact).sum(axis=1),
    }


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """Five densities above; E[q] and the last marginal of v below."""
    p = PARAMETERS
    figure = plt.figure(figsize=(7.0, 4.6))
    top, bottom = figure.subfigures(2, 1, height_ratios=[1.0, 1.05])
    panels = top.subplots(1, len(p["shown"]), sharex=True, sharey=True)
    for axis, time, density in zip(panels, p["shown"], arrays["densities"], strict=True):
        # The square root keeps both the sharp start and the wide states visible.
        shown = axis.pcolormesh(
            arrays["z_edges"],
            arrays["q_edges"],
            np.sqrt(density.T / density.max()),
            cmap="Blues",
            vmin=0,
            vmax=1,
            rasterized=True,
        )
        axis.set(xlim=(-1.5, 1.2), xlabel=r"$\ln v$", title=f"$t = {time:g}$")
    panels[0].set_ylabel("$q = u^2 - w^2$")
    top.colorbar(shown, ax=panels, label=r"$(p/\max p)^{1/2}$", aspect=12, pad=0.01)

    charge, late = bottom.subplots(1, 2)
    times = np.array(p["times"])
    charge.semilogy(times, arrays["charge"], color="C0", label="finite volumes")
    mean, error = arrays["sampled"]
    charge.errorbar(
        times[: mean.size], mean, error, fmt="o", color="C1", ms=3.5, capsize=2, label="paths"
    )
    charge.semilogy(times, arrays["bound"], "--", color="0.4", label=r"$q(0)\,e^{-4T\min G\,t}$")
    charge.set(xlabel="time", ylabel="$E[q]$")
    charge.legend(loc="lower left")

    late.plot(*arrays["closed_form"], color="0.7", lw=3, label="closed form")
    late.plot(
        arrays["v"],
        arrays["marginal"],
        "x",
        color="C0",
        label=f"finite volumes, $t = {times[-1]:g}$",
    )
    late.set(xlabel="$v$", ylabel="$p(v)$", xlim=(0.3, 1.9), ylim=(0, None))
    late.text(0.98, 0.6, f"$L_1$ distance {arrays['distance'][-1]:.1g}", ha="right",
              transform=late.transAxes, fontsize=8)  # fmt: skip
    late.legend(loc="upper right")
    return figure
