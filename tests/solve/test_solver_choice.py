"""Which solver is chosen, and that no wrong answer comes without a warning."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.discretize.schemes.cross_diffusion import CrossDiffusion
from fokkerplanck.discretize.schemes.log_density import LogDensity
from fokkerplanck.errors import MetastableWarning, NotConverged
from fokkerplanck.solve import stationary
from fokkerplanck.solve.solvers import AlgebraicMultigrid

x, y = sp.symbols("x y", real=True)
FULL = sp.Matrix([[1, sp.Rational(1, 2)], [sp.Rational(1, 2), 1]])
WELLS = (x**2 - 1) ** 2 + y**2 * (1 + x / 2)

pytestmark = pytest.mark.filterwarnings("ignore::fokkerplanck.errors.UnresolvedWarning")


def double_well(
    cells: int, barrier: float, *, scheme: object = None, reversible: bool = True
) -> fpk.FokkerPlanckOperator:
    gradient = sp.Matrix([sp.diff(WELLS, v) for v in (x, y)])
    drift = -FULL * gradient if reversible else -gradient
    grid = fpk.Grid(x=(-2.2, 2.2, cells), y=(-2.2, 2.2, cells))
    diffusion = fpk.Diffusion((x, y), drift, FULL / barrier)
    return fpk.assemble(diffusion, grid, scheme or fpk.Selling())  # type: ignore[arg-type]


def right_well(density: fpk.Density) -> float:
    return float(density.masses[density.grid.mesh[0].ravel() > 0].sum())


@pytest.mark.parametrize(
    "solver",
    [
        None,
        fpk.DetailedBalance(),
        fpk.SubtractionFree(),
        AlgebraicMultigrid(),
        fpk.SparseLU(),
    ],
    ids=repr,
)
@pytest.mark.parametrize("barrier", [1, 3, 6, 10, 15, 20, 30, 50, 100, 200])
def test_no_wrong_answer_without_a_warning(barrier: float, solver: object) -> None:
    """Weights of the wells against Gibbs; 200 is 3e86 relaxation times between the wells."""
    operator = double_well(64, barrier)
    exact = np.exp(operator.potential.min() - operator.potential).reshape(operator.grid.shape)
    exact /= exact.sum()
    share = exact[operator.grid.mesh[0].ravel() > 0].sum()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            density = fpk.stationary_density(operator, solver)  # type: ignore[arg-type]
        except NotConverged:
            return
    warned = any(issubclass(w.category, MetastableWarning) for w in caught)
    error = abs(right_well(density) / share - 1)
    assert warned or error < 1e-6
    if not isinstance(solver, fpk.SparseLU):
        assert not warned
        assert error < 1e-9
    elif barrier <= 10:
        assert not warned


def test_lu_is_wrong_where_it_warns() -> None:
    operator = double_well(64, 50)
    with pytest.warns(MetastableWarning):
        density = fpk.stationary_density(operator, fpk.SparseLU())
    exact = fpk.stationary_density(operator)
    assert abs(right_well(density) / right_well(exact) - 1) > 1e-3


def test_choice_by_kind_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(operator: fpk.FokkerPlanckOperator) -> tuple[str, str]:
        info = fpk.stationary_density(operator).info
        return info["solver"], info["solver_choice"]

    assert chosen(double_well(32, 4)) == (
        "DetailedBalance",
        "DetailedBalance(): the density is known, nothing to solve",
    )
    current = double_well(32, 4, reversible=False)
    solver, reason = chosen(current)
    assert solver == "SubtractionFree"
    assert "1024, at most 1048576 cells in 2 dimensions" in reason
    solver, reason = chosen(double_well(32, 4, reversible=False, scheme=CrossDiffusion()))
    assert solver == "SparseLU"
    assert "no Markov generator" in reason
    solver, reason = chosen(double_well(48, 1, reversible=False, scheme=LogDensity()))
    assert solver == "LogDensityIteration"
    monkeypatch.setitem(stationary.LARGEST, 2, 1000)
    solver, reason = chosen(current)
    assert solver == "AlgebraicMultigrid"
    assert "1024, more than 1000 cells in 2 dimensions" in reason
    assert fpk.stationary_density(current, fpk.SparseLU()).info["solver_choice"] == "given"
