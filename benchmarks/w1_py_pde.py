"""W1 with py-pde: explicit Runge-Kutta steps until the density rests."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.w1_method import Method, TimeLimit
from benchmarks.w1_problem import BOX, Problem

__all__ = ["METHODS"]

Array = NDArray[np.float64]

# The slowest relaxation rate is about 0.05: e^-10 of the start is left.
DURATION = 200.0
SECONDS = 120.0


def _solve(problem: Problem, cells: int) -> Array:
    import pde

    c, tensor = problem.correlation if problem.mobility else 0.0, problem.tensor
    a_x, a_y = "(-4*x*(x**2-1)-y**2/2)", "(-2*y*(1+x/2))"
    rule = (
        f"-d_dx(({a_x}+{c}*{a_y})*p)-d_dy(({c}*{a_x}+{a_y})*p)"
        f"+{tensor[0, 0]}*laplace(p)+{2 * tensor[0, 1]}*d_dx(d_dy(p))"
    )
    # Nothing flows through the walls: what is differenced across one is odd, what diffuses even.
    odd = {"value": 0.0}
    equation: Any = pde.PDE(
        {"p": rule}, bc={"derivative": 0.0}, bc_ops={"p:d_dx": odd, "p:d_dy": odd}
    )
    grid = pde.CartesianGrid([BOX] * 2, cells)
    start = pde.ScalarField.from_expression(grid, "exp(-x**2-y**2)/pi")
    limit = pde.trackers.MaxRuntimeTracker(SECONDS)
    reached = pde.trackers.CallbackTracker(lambda _, t: times.append(t), interrupts=1.0)
    times: list[float] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        density = equation.solve(
            start,
            t_range=DURATION,
            solver="runge-kutta",
            adaptive=True,
            tolerance=1e-4,
            tracker=[limit, reached],
        )
    if not times or times[-1] < DURATION - 1.0:
        raise TimeLimit(f"t = {times[-1] if times else 0:.0f} of {DURATION:.0f} in {SECONDS:.0f} s")
    return np.array(density.data)


METHODS = (
    Method(
        "py-pde",
        "py-pde",
        _solve,
        largest=128,
        note=f"explicit adaptive Runge-Kutta to t = {DURATION:.0f}, compiled by numba, "
        f"given {SECONDS:.0f} s",
    ),
)
