"""Mean escape times in the plane over the Eyring-Kramers-Langer time, against noise over barrier.

python -m benchmarks eyring_kramers             # table, about two minutes
python -m benchmarks eyring_kramers --write     # and benchmarks/results/eyring_kramers.md

``Phi = barrier ((x^2 - 1)^2 + y^2)``, a constant tensor with eigenvalues 1 and 1/anisotropy, the
first at 30 degrees to the x axis, drift ``-D grad Phi``.  From (-1, 0) to a disc about (1, 0).
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import fokkerplanck as fpk

__all__ = ["ANISOTROPIES", "BARRIERS", "Row", "fit", "main", "measure", "problem", "report"]

Array = NDArray[np.float64]

X, Y = sp.symbols("x y", real=True)
TARGET = (X - 1) ** 2 + Y**2 < 0.09
BOX = {"x": (-1.9, 1.5), "y": (-1.3, 1.3)}
ANGLE = 30.0
ANISOTROPIES = (1.0, 10.0, 100.0)
BARRIERS = (10.0, 14.0, 20.0, 28.0, 40.0, 56.0)
CELLS = (160, 320)
# Lowest barrier of the fit: below, a third coefficient shows (anisotropy 100).
FITTED = 20.0
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """Mean time over the formula's, minus 1: two grids, their extrapolation, and the theory."""

    anisotropy: float
    barrier: float
    coarse: float
    fine: float
    correction: float

    @property
    def extrapolated(self) -> float:
        """Richardson's extrapolation of an error of second order."""
        return (4 * self.fine - self.coarse) / 3

    @property
    def left(self) -> float:
        """What order 2 of the formula leaves."""
        return (1 + self.extrapolated) / (1 + self.correction) - 1


def problem(anisotropy: float, barrier: float) -> fpk.Diffusion:
    """The diffusion."""
    angle = np.radians(ANGLE)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    tensor = sp.Matrix(turn @ np.diag([1.0, 1 / anisotropy]) @ turn.T)
    potential = barrier * ((X**2 - 1) ** 2 + Y**2)
    slope = sp.Matrix([potential.diff(X), potential.diff(Y)])
    return fpk.Diffusion((X, Y), -tensor * slope, tensor)


def measure(anisotropy: float, barrier: float, cells: Sequence[int] = CELLS) -> Row:
    """Solve on two grids, the second twice as fine."""
    model = problem(anisotropy, barrier)
    formula = fpk.theory.eyring_kramers_rate(model, minimum=(-1, 0), saddle=(0, 0))
    excess = []
    for n in cells:
        grid = fpk.Grid(**{name: (*ends, n) for name, ends in BOX.items()})
        with warnings.catch_warnings():
            # In the outermost cells, which nothing reaches at these barriers.
            warnings.simplefilter("ignore", fpk.errors.UnresolvedWarning)
            operator = fpk.assemble(model, grid, fpk.Selling())
        solved = fpk.escape_rate(operator, (-1.0, 0.0), TARGET)
        excess.append(formula.value / solved.value - 1)
    return Row(anisotropy, barrier, *excess, formula.info["correction"])


def fit(rows: Sequence[Row]) -> tuple[float, float]:
    """Coefficients of noise/barrier and its square in the excess, by least squares."""
    noise = np.array([1 / row.barrier for row in rows])
    excess = np.array([row.extrapolated for row in rows])
    # Relative weights: every point counts by its distance from the straight line.
    design = np.stack([np.ones_like(noise), noise], axis=1)
    (slope, bend), *_ = np.linalg.lstsq(design, excess / noise, rcond=None)
    return float(slope), float(bend)


def report(rows: Sequence[Row]) -> str:
    """Slopes, then every measurement, as Markdown."""
    slopes = [["anisotropy", "slope, fitted", "slope, theory", "next coefficient"], ["---"] * 4]
    for value in dict.fromkeys(row.anisotropy for row in rows):
        found = [row for row in rows if row.anisotropy == value and row.barrier >= FITTED]
        slope, bend = fit(found)
        theory = found[0].correction * found[0].barrier
        slopes.append([f"{value:g}", f"{slope:.3f}", f"{theory:.3f}", f"{bend:.2f}"])
    columns = ["anisotropy", "barrier/noise", f"N = {CELLS[0]}", f"N = {CELLS[1]}"]
    columns += ["extrapolated", "theory, next order", "left after order 2"]
    lines = [columns, ["---"] * len(columns)]
    for row in rows:
        numbers = (row.coarse, row.fine, row.extrapolated, row.correction, row.left)
        ends = [f"{row.anisotropy:g}", f"{row.barrier:g}"]
        lines.append(ends + [f"{100 * n:.2f} %" for n in numbers])
    tables = ["\n".join(f"| {' | '.join(line)} |" for line in t) for t in (slopes, lines)]
    return (
        "`tau/tau_EKL - 1 = slope (noise/barrier) + next (noise/barrier)^2`, fitted from barrier "
        f"{FITTED:g} on; the theory's slope is the `correction` of `theory.eyring_kramers_rate`."
        f"\n\n{tables[0]}\n\nThe mean time over the formula's, minus 1, on N x N cells and "
        f"extrapolated.\n\n{tables[1]}\n"
    )


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks eyring_kramers")
    parser.add_argument("--write", action="store_true", help="keep the table")
    chosen = parser.parse_args(arguments)
    rows = []
    with threadpool_limits(1):
        for anisotropy in ANISOTROPIES:
            for barrier in BARRIERS:
                rows.append(measure(anisotropy, barrier))
                print(rows[-1], flush=True)
    text = report(rows)
    if chosen.write:
        RESULTS.mkdir(exist_ok=True)
        title = "# Eyring-Kramers-Langer\n\nMade by `python -m benchmarks eyring_kramers --write`."
        (RESULTS / "eyring_kramers.md").write_text(f"{title}\n\n{text}")
    print(text)
    return 0
