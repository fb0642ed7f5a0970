"""Multigrid against Gibbs densities and elimination, and what it says of its own accuracy."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from scipy import sparse
from scipy.linalg import solve_continuous_lyapunov

import fokkerplanck as fpk
from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.operator import FokkerPlanckOperator
from fokkerplanck.errors import (
    DisconnectedDomain,
    FokkerPlanckError,
    InvalidModel,
    MetastableWarning,
    NotConverged,
)
from fokkerplanck.solve.linear import factorize
from fokkerplanck.solve.linear.cycles import Cycles
from fokkerplanck.solve.linear.multigrid import RANGE, MultigridSolution, solve_stationary
from fokkerplanck.solve.solvers import AlgebraicMultigrid

x, y, z = sp.symbols("x y z", real=True)
HALF = sp.Rational(1, 2)
FULL = sp.Matrix([[1, HALF], [HALF, 1]])
WELLS = (x**2 - 1) ** 2 + y**2 * (1 + x / 2)
FULL_3D = sp.Matrix([[1, HALF, 0.2], [HALF, 1, 0], [0.2, 0, HALF]])
WELLS_3D = WELLS + z**2 + x * z / 2


def double_well(cells: int, noise: float, *, reversible: bool) -> FokkerPlanckOperator:
    """Barrier/noise is 1/noise; without the tensor in the drift there is a current."""
    gradient = sp.Matrix([sp.diff(WELLS, v) for v in (x, y)])
    drift = -FULL * gradient if reversible else -gradient
    grid = fpk.Grid(x=(-2.2, 2.2, cells), y=(-2.2, 2.2, cells))
    return fpk.assemble(fpk.Diffusion((x, y), drift, FULL * noise), grid, fpk.Selling())


def double_well_3d(cells: int, noise: float, *, reversible: bool) -> FokkerPlanckOperator:
    gradient = sp.Matrix([sp.diff(WELLS_3D, v) for v in (x, y, z)])
    drift = -FULL_3D * gradient if reversible else -gradient
    grid = fpk.Grid(dict.fromkeys((x, y, z), (-2.2, 2.2, cells)))
    return fpk.assemble(fpk.Diffusion((x, y, z), drift, FULL_3D * noise), grid, fpk.Selling())


def ornstein_uhlenbeck_3d(cells: int, anisotropy: float) -> FokkerPlanckOperator:
    rates = np.array([[1.0, -1.0, 0.3], [1.0, 1.0, 0.0], [-0.3, 0.2, 1.0]])
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    tensor = turn @ np.diag(np.geomspace(1, 1 / anisotropy, 3)) @ turn.T
    reach = 6 * np.sqrt(np.diag(solve_continuous_lyapunov(rates, 2 * tensor)))
    grid = fpk.Grid({v: (-r, r, cells) for v, r in zip((x, y, z), reach, strict=True)})
    drift = -sp.Matrix(rates) * sp.Matrix([x, y, z])
    return fpk.assemble(fpk.Diffusion((x, y, z), drift, sp.Matrix(tensor)), grid, fpk.Selling())


def solved(operator: FokkerPlanckOperator) -> MultigridSolution:
    periodic = tuple(axis.periodic for axis in operator.grid.axes)
    return solve_stationary(operator.matrix, shape=operator.grid.shape, periodic=periodic)


def eliminated(operator: FokkerPlanckOperator) -> np.ndarray:
    return factorize(operator.matrix, shape=operator.grid.shape).log_stationary()


def worst(found: np.ndarray, exact: np.ndarray, reach: float = np.inf) -> float:
    """Largest relative error of normalised weights above e^-reach of the largest."""
    difference = found - exact
    difference = difference - difference[np.argmax(exact)]
    return float(np.abs(np.expm1(difference[exact > exact.max() - reach])).max())


@pytest.mark.parametrize("barrier", [2, 10, 50, 200])
def test_gibbs_weights_in_every_cell_at_any_barrier(barrier: float) -> None:
    operator = double_well(96, 1 / barrier, reversible=True)
    solution = solved(operator)
    error = worst(solution.log_weights, -operator.potential, RANGE)
    assert error < 1e-9
    # The estimate is one: within a factor of ten, and it has a floor of rounding.
    assert error < 10 * solution.error
    assert solution.wells == (2 if barrier > 9 else 1)
    assert solution.unresolved_wells == 0


@pytest.mark.parametrize("barrier", [5, 40])
def test_currents_in_three_dimensions_agree_with_elimination(barrier: float) -> None:
    operator = double_well_3d(20, 1 / barrier, reversible=False)
    solution = solved(operator)
    assert worst(solution.log_weights, eliminated(operator)) < 1e-9
    assert solution.settled_above == -np.inf


@pytest.mark.parametrize("anisotropy", [1, 10, 100])
def test_rotated_tensors_agree_with_elimination(anisotropy: float) -> None:
    operator = ornstein_uhlenbeck_3d(20, anisotropy)
    solution = solved(operator)
    error = worst(solution.log_weights, eliminated(operator))
    assert error < 1e-9
    assert error < 10 * solution.error


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.UnresolvedWarning")
def test_periodic_axes_and_odd_numbers_of_cells() -> None:
    drift = [1 + sp.sin(x) / 2 + sp.cos(y), sp.cos(x) - 3 * y]
    tensor = sp.Matrix([[HALF, sp.Rational(1, 5)], [sp.Rational(1, 5), HALF]])
    grid = fpk.Grid(
        x=(0, 2 * np.pi, 75), y=(-2.0, 2.0, 47), boundary={"x": "periodic", "y": "reflecting"}
    )
    operator = fpk.assemble(fpk.Diffusion((x, y), drift, tensor), grid, fpk.Selling())
    assert worst(solved(operator).log_weights, eliminated(operator)) < 1e-9


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.UnresolvedWarning")
def test_degenerate_noise_with_one_way_rates() -> None:
    momentum = fpk.Momentum(
        x**2 / 2, (x,), fpk.noise.Isotropic(0.4), learning_rate=0.5, momentum=0.5
    )
    grid = fpk.Grid(x=(-3, 3, 60), v_x=(-4, 4, 60))
    operator = fpk.assemble(momentum.diffusion(), grid, fpk.Selling())
    assert worst(solved(operator).log_weights, eliminated(operator), RANGE) < 1e-9


def test_cycles_hardly_depend_on_the_number_of_cells() -> None:
    cycles = [solved(double_well_3d(cells, 0.2, reversible=False)).cycles for cells in (16, 24, 40)]
    assert max(cycles) <= 22


def two_wells(cells: int, period: int, depth: float) -> tuple[sparse.csr_array, np.ndarray]:
    """A flat chain with two neighbouring wells of different depths, and its exact logarithms."""
    shape = np.cos(2 * np.pi * (np.arange(period) + 0.5) / period)
    level = np.zeros(cells)
    level[160 : 160 + 2 * period] = (depth * (shape - 1) + [[0.0], [1.3]]).ravel()
    up, down = np.exp(-np.diff(level) / 2), np.exp(np.diff(level) / 2)
    return sparse.csr_array(sparse.diags_array([up, down], offsets=[-1, 1])), -level


def test_wells_that_share_a_block_are_told_apart_by_finer_blocks() -> None:
    """Blocks of 16 cells, then of 2, for wells of 8."""
    chain, exact = two_wells(2**14, 8, 10.0)
    solution = solve_stationary(chain, shape=(chain.shape[0],))
    assert solution.wells == 2
    assert solution.unresolved_wells == 0
    assert worst(solution.log_weights, exact) < 1e-9


@pytest.mark.parametrize("depth", [3.0, 4.4])
def test_neighbouring_shallow_wells_joined_by_a_bottleneck(depth: float) -> None:
    """Corrections that are twice too large between them would cancel in pairs, and stand still."""
    chain, exact = two_wells(2**13, 4, depth)
    solution = solve_stationary(chain, shape=(chain.shape[0],))
    assert worst(solution.log_weights, exact) < 1e-9


def test_cycles_that_stand_still_elsewhere_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cycles, "__call__", lambda self, weights: weights - weights.max())
    operator = double_well(64, 0.2, reversible=True)
    assert solved(operator).error > 0.1


def test_wells_that_no_block_tells_apart_are_warned_of() -> None:
    """Blocks of 8 cells at least, for wells of 4."""
    chain, _ = two_wells(2**16, 4, 20.0)
    with pytest.warns(MetastableWarning, match="1 of 2 wells lie in one block"):
        AlgebraicMultigrid().stationary(as_operator(chain))


def as_operator(rates: sparse.csr_array) -> FokkerPlanckOperator:
    outflow = np.asarray(rates.sum(axis=0)).ravel()
    matrix = sparse.csc_matrix(rates - sparse.diags_array(outflow))
    cells = matrix.shape[0]
    grid = fpk.Grid(x=(0, 1, cells))
    return FokkerPlanckOperator(matrix, grid, np.zeros(cells), None, True, Info())


def test_density_and_its_evidence() -> None:
    operator = double_well(64, 0.1, reversible=False)
    density = fpk.stationary_density(operator, AlgebraicMultigrid())
    exact = fpk.stationary_density(operator, fpk.SubtractionFree())
    np.testing.assert_allclose(density.values, exact.values, rtol=1e-9)
    np.testing.assert_allclose(density.log_values, exact.log_values, rtol=0, atol=1e-9)
    assert density.info["solver"] == "AlgebraicMultigrid"
    assert density.info["rounding"] < 1e-9
    assert density.info["accurate_above"] == 0
    assert density.info["negative_mass"] == 0


def test_logarithms_are_kept_back_where_far_tails_have_not_settled() -> None:
    operator = double_well_3d(24, 1 / 200, reversible=True)
    weights = AlgebraicMultigrid().stationary(operator)
    assert 0 <= weights.info["accurate_above"] < 1e-200
    if weights.log_masses is None:
        settled = -operator.potential + operator.potential.min() > -RANGE
    else:
        settled = np.ones(operator.grid.size, bool)
    exact = np.exp(operator.potential.min() - operator.potential)
    np.testing.assert_allclose(weights.masses[settled], exact[settled], rtol=1e-9)


def test_iterations_that_do_not_converge_are_no_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    operator = double_well(96, 0.1, reversible=False)
    monkeypatch.setattr("fokkerplanck.solve.linear.multigrid.ACCELERATED", 1)
    monkeypatch.setattr("fokkerplanck.solve.linear.multigrid.PLAIN", 2)
    with pytest.raises(NotConverged, match="after 3 cycles"):
        AlgebraicMultigrid().stationary(operator)


def test_iterations_that_end_early_warn(monkeypatch: pytest.MonkeyPatch) -> None:
    operator = double_well(96, 0.1, reversible=False)
    monkeypatch.setattr("fokkerplanck.solve.linear.multigrid.ACCELERATED", 4)
    monkeypatch.setattr("fokkerplanck.solve.linear.multigrid.PLAIN", 7)
    with pytest.warns(MetastableWarning, match="estimated relative error"):
        weights = AlgebraicMultigrid().stationary(operator)
    error = worst(np.log(weights.masses), eliminated(operator))
    assert 1e-6 < error < 10 * weights.info["rounding"]


def test_reducible_chains_are_refused() -> None:
    one_way = sparse.diags_array([np.ones(99)], offsets=[-1], shape=(100, 100))
    with pytest.raises(DisconnectedDomain):
        solve_stationary(one_way, shape=(100,))
    hops = sparse.diags_array([np.ones(1999), np.ones(1999)], offsets=[-1, 1]).tolil()
    hops[1000, 999] = hops[999, 1000] = 0.0
    with pytest.raises(DisconnectedDomain):
        solve_stationary(hops.tocsr(), shape=(2000,))


def test_only_markov_generators_on_grids() -> None:
    hops = sparse.diags_array([np.ones(9), -np.ones(9)], offsets=[-1, 1])
    with pytest.raises(FokkerPlanckError, match="negative or not finite"):
        solve_stationary(hops, shape=(10,))
    with pytest.raises(FokkerPlanckError, match="does not have 10 cells"):
        solve_stationary(abs(hops), shape=(3, 4))
    mesh = fpk.Mesh.from_triangles("xy", [[0, 0], [1, 0], [0.5, 0.8]], [[0, 1, 2]])
    operator = FokkerPlanckOperator(
        sparse.csc_matrix((1, 1)), mesh, np.zeros(1), None, True, Info()
    )
    with pytest.raises(InvalidModel, match="cells of a Grid"):
        AlgebraicMultigrid().stationary(operator)
