"""Laws that hold for any loss, any tensor, any walls and any grid."""

from __future__ import annotations

import warnings
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pytest
import sympy as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import eye_array

import fokkerplanck as fpk
from fokkerplanck.errors import FokkerPlanckWarning
from fokkerplanck.solve.linear import factorize

NAMES = sp.symbols("x y z", real=True)
S = sp.Symbol("s")
WALLS = [
    "reflecting",
    "absorbing",
    "periodic",
    ("reflecting", "absorbing"),
    ("absorbing", "reflecting"),
]
numbers = st.floats(-2, 2).map(lambda value: round(value, 2))


@st.composite
def polynomials(draw: Any, variables: tuple[sp.Symbol, ...], degree: int) -> sp.Expr:
    terms = [sp.Integer(1)]
    for power in range(1, degree + 1):
        terms += [sp.prod(c) for c in combinations_with_replacement(variables, power)]
    return sp.Add(*(draw(numbers) * term for term in terms))


@st.composite
def tensors(draw: Any, variables: tuple[sp.Symbol, ...]) -> sp.Matrix:
    """``M M^T + floor I`` with linear entries: full, varying, of rank one now and then."""
    size = len(variables)
    rank = draw(st.integers(1, size))
    factor = sp.Matrix(
        size,
        rank,
        [draw(polynomials(variables, draw(st.integers(0, 1)))) for _ in range(size * rank)],
    )
    floor = draw(st.sampled_from([0.0, 1e-6, 0.01, 1.0]))
    return (factor * factor.T + floor * sp.eye(size)).applyfunc(sp.expand)


@st.composite
def grids(draw: Any, variables: tuple[sp.Symbol, ...]) -> fpk.Grid:
    most = {1: 40, 2: 14, 3: 7}[len(variables)]
    axes, walls = {}, {}
    for variable in variables:
        cells = draw(st.integers(2, most))
        low = draw(st.floats(-2, 0).map(lambda value: round(value, 2)))
        high = low + draw(st.floats(0.3, 3).map(lambda value: round(value, 2)))
        wall = draw(st.sampled_from(WALLS))
        axis: Any = (low, high, cells)
        if wall != "periodic" and draw(st.booleans()):
            axis = fpk.Mapped(S + S**3 / 10, S, axis)
        axes[variable], walls[variable] = axis, wall
    return fpk.Grid(axes, boundary=walls)


@st.composite
def problems(draw: Any) -> tuple[fpk.Diffusion, fpk.Grid]:
    variables = NAMES[: draw(st.integers(1, 3))]
    loss = draw(polynomials(variables, draw(st.integers(1, 4))))
    tensor = draw(tensors(variables))
    force = -sp.Matrix([sp.diff(loss, v) for v in variables])
    kind = draw(st.sampled_from(["gradient", "loss", "swirl"]))
    if kind == "gradient":
        force = tensor * force
    elif kind == "swirl":
        force = force + sp.Matrix([draw(polynomials(variables, 1)) for _ in variables])
    make = fpk.Diffusion.from_isothermal if draw(st.booleans()) else fpk.Diffusion
    return make(variables, force, tensor), draw(grids(variables))


def check(problem: tuple[fpk.Diffusion, fpk.Grid]) -> None:
    diffusion, grid = problem
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FokkerPlanckWarning)
        operator = fpk.assemble(diffusion, grid, fpk.Selling())
    matrix, killing = operator.matrix, operator.killing
    assert np.isfinite(matrix.data).all()
    assert np.isfinite(killing).all()
    assert killing.min() >= 0
    off = matrix.copy()
    off.setdiag(0.0)
    assert off.data.min(initial=0.0) >= 0
    sums = np.asarray(matrix.sum(axis=0)).ravel() + killing
    scale = np.abs(matrix.diagonal())
    assert np.abs(sums).max() <= 1e-13 * scale.max()
    assert (np.abs(sums) <= 1e-13 * scale).all()
    # A long implicit step from one cell: masses stay positive and sum to one, loss included.
    largest = scale.max()
    if largest == 0:
        return
    rate = 1e-3 * largest
    start = np.zeros(grid.size)
    start[grid.size // 2] = rate
    masses = factorize(matrix, killing=killing + rate, shape=grid.shape).solve(start)
    assert masses.min() >= 0
    assert abs(masses.sum() + (killing @ masses) / rate - 1) < 1e-12
    residual = (rate * eye_array(grid.size) - matrix) @ masses - start
    assert np.abs(residual).max() < 1e-10 * largest
    if operator.potential is not None and operator.conserving:
        balanced(off.tocoo(), np.log(grid.volumes.ravel()) - operator.potential)


def balanced(rates: Any, log_masses: np.ndarray) -> None:
    """Flows there and back are equal on every edge; in logarithms, as masses may have no double."""
    moving = rates.data > 0
    source, target = rates.col[moving], rates.row[moving]
    flows = {
        (i, j): np.log(rate) + log_masses[i]
        for i, j, rate in zip(source, target, rates.data[moving], strict=True)
    }
    largest = np.abs(log_masses).max()
    for (i, j), flow in flows.items():
        # Between cells more than 640 apart the smaller rate is held at 1e-280.
        if abs(log_masses[i] - log_masses[j]) < 640:
            assert abs(flow - flows[j, i]) < 1e-12 * max(1.0, largest)


FEW = settings(max_examples=200, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=1000, suppress_health_check=list(HealthCheck))


@FEW
@given(problems())
def test_generators_of_random_problems(problem: tuple[fpk.Diffusion, fpk.Grid]) -> None:
    check(problem)


@pytest.mark.slow
@MANY
@given(problems())
def test_generators_of_many_random_problems(problem: tuple[fpk.Diffusion, fpk.Grid]) -> None:
    check(problem)
