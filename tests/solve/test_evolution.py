"""Densities in time against closed forms, dense chains, exact exponentials and sampled paths."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import sympy as sp
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.linalg import expm, solve_continuous_lyapunov

import fokkerplanck as fpk
from fokkerplanck.errors import (
    GridMismatch,
    InvalidModel,
    MetastableWarning,
    NotConverged,
)
from fokkerplanck.solve.stepping.dynamics import Dynamics, Record

Array = NDArray[np.float64]

x, y, t = sp.symbols("x y t", real=True)


def double_well(cells: int, barrier: float) -> fpk.FokkerPlanckOperator:
    """Wells at -1 and 1 with a barrier of so many noise strengths at 0."""
    noise = sp.Rational(1, 4) / sp.nsimplify(barrier)
    model = fpk.Diffusion((x,), [x - x**3], [[noise]])
    return fpk.assemble(model, fpk.Grid(x=(-1.8, 1.8, cells)))


def dense_chain(operator: fpk.FokkerPlanckOperator, time: float) -> Array:
    """``exp(time Q)`` by squaring a matrix whose columns sum to one: right entry by entry."""
    rates = operator.matrix.toarray()
    fastest = np.abs(np.diag(rates)).max()
    squarings = max(0, int(np.ceil(np.log2(100.0 * time * fastest))))
    step = time / 2**squarings
    jump = np.eye(len(rates)) + rates / fastest
    jump[np.diag_indices_from(jump)] = np.maximum(np.diag(jump), 0.0)
    term = np.exp(-fastest * step) * np.eye(len(rates))
    power = np.zeros_like(term)
    for k in range(1, 10):
        power += term
        term = jump @ term * (fastest * step / k)
    power /= power.sum(axis=0)
    for _ in range(squarings):
        power = power @ power
        power /= power.sum(axis=0)
    return power


def distances(one: fpk.Evolution, other: fpk.Evolution) -> Array:
    """L1 distances of the densities of two evolutions."""
    difference = np.abs(one.values - other.values) * one.grid.volumes
    result: Array = difference.reshape(one.times.size, -1).sum(axis=1)
    return result


def test_ornstein_uhlenbeck_with_rotation_follows_the_matrix_exponential() -> None:
    matrix = np.array([[-1.0, 1.5], [-1.5, -1.0]])
    tensor = np.array([[0.5, 0.2], [0.2, 0.3]])
    model = fpk.Diffusion((x, y), list(sp.Matrix(matrix) * sp.Matrix([x, y])), tensor.tolist())
    mean, covariance = np.array([1.5, 0.0]), 0.15 * np.eye(2)
    stationary = solve_continuous_lyapunov(matrix, -2 * tensor)
    times = np.geomspace(0.03, 5.0, 10)
    wrong = []
    for cells in (40, 80):
        grid = fpk.Grid(x=(-4, 4, cells), y=(-4, 4, cells))
        start = fpk.gaussian_density(grid, mean, covariance)
        evolution = fpk.evolve(fpk.assemble(model, grid), start, times, tolerance=1e-3)
        means, covariances = [], []
        for time in times:
            flow = expm(time * matrix)
            means.append(flow @ mean)
            covariances.append(stationary + flow @ (covariance - stationary) @ flow.T)
        wrong.append(
            [
                np.abs(evolution.means - means).max(),
                np.abs(evolution.covariances - covariances).max(),
            ]
        )
    coarse, fine = np.array(wrong)
    assert (fine < [3e-3, 8e-3]).all()
    assert (np.log2(coarse / fine) > 1.8).all(), "second order in space"


def test_error_falls_with_the_square_of_the_number_of_steps() -> None:
    grid = fpk.Grid(x=(-5, 5, 120))
    operator = fpk.assemble(fpk.Diffusion((x,), [-x], [[1]]), grid)
    start = fpk.gaussian_density(grid, [2.0], [[0.2]])
    exact = fpk.evolve(operator, start, [1.0], fpk.RationalExponential())
    found = [fpk.evolve(operator, start, [1.0], tolerance=10.0**-k) for k in (2, 3, 4, 5)]
    steps = np.log([evolution.info["steps"] for evolution in found])
    errors = np.log([distances(evolution, exact)[-1] for evolution in found])
    assert np.polyfit(steps, errors, 1)[0] == pytest.approx(-2.0, abs=0.3)


def test_second_well_fills_at_the_right_rate_at_any_time() -> None:
    operator = double_well(128, barrier=40)
    start = fpk.gaussian_density(operator.grid, [-1.0], [[1 / 320]])
    times = np.geomspace(1e-3, 1e19, 67)
    evolution = fpk.evolve(operator, start, times)
    second = evolution.probability(x > 0)
    chain = [dense_chain(operator, time) @ start.masses for time in times]
    filled = np.array([masses[64:].sum() for masses in chain])
    # Before anything has relaxed the second well holds less than 1e-17, in the tail of the start.
    late = times > 5.0
    np.testing.assert_allclose(second[late], filled[late], rtol=1e-3)
    assert (second[~late] < 1e-17).all()
    # Two states: time tau to the ridge, and half of what comes there goes on.
    tau = fpk.mean_first_passage_time(operator, x > 0).values[28]
    assert 1e17 < tau < 1e18
    later = times > 1e3
    expected = -0.5 * np.expm1(-times[later] / tau)
    np.testing.assert_allclose(second[later], expected, rtol=0.01)
    assert second[-1] == pytest.approx(0.5, abs=1e-3)
    assert np.abs(evolution.mass - 1).max() < 1e-12
    assert evolution.values.min() >= 0.0
    assert evolution.info["steps"] < 400
    assert distances(evolution, _evolution_of(operator, times, chain)).max() < 1e-4


def _evolution_of(
    operator: fpk.FokkerPlanckOperator, times: Array, chain: list[Array]
) -> fpk.Evolution:
    return fpk.Evolution(times, np.array(chain) / operator.grid.volumes, operator.grid)


def test_second_well_in_the_plane_with_a_full_tensor() -> None:
    tensor = sp.Matrix([[1, sp.Rational(3, 10)], [sp.Rational(3, 10), 1]]) / 160
    loss = (x**2 - 1) ** 2 / 4 + y**2 / 2
    drift = -160 * tensor * sp.Matrix([loss.diff(x), loss.diff(y)])
    grid = fpk.Grid(x=(-1.3, 1.3, 78), y=(-0.5, 0.5, 20))
    operator = fpk.assemble(fpk.Diffusion((x, y), drift, tensor), grid)
    start = fpk.gaussian_density(grid, [-1.0, 0.0], np.eye(2) / 200)
    times = np.geomspace(1e-3, 1e19, 45)
    evolution = fpk.evolve(operator, start, times)
    # Two states that change into each other in the mean time from one well to the other.
    tau = float(fpk.mean_first_passage_time(operator, x > 0.7).values[9, 10])
    assert 1e17 < tau < 1e19
    late = times > 1e3
    expected = -0.5 * np.expm1(-2 * times[late] / tau)
    np.testing.assert_allclose(evolution.probability(x > 0)[late], expected, rtol=0.01)
    assert np.abs(evolution.mass - 1).max() < 1e-12
    assert evolution.values.min() >= 0.0


def test_ramped_barrier_agrees_with_sampled_paths() -> None:
    height = 1 - sp.Rational(1, 2) * t
    loss = height * (x**2 - 1) ** 2
    model = fpk.Diffusion((x,), [-loss.diff(x)], [[sp.Rational(1, 4)]], time=t)
    grid = fpk.Grid(x=(-2.6, 2.6, 120))
    start = fpk.gaussian_density(grid, [-1.0], [[0.02]])
    operator = fpk.assemble(model, grid, time=0.0)
    evolution = fpk.evolve(operator, start, [1.5], tolerance=3e-3)
    assert evolution.info["assemblies"] > evolution.info["steps"]
    paths = 20000
    states = np.random.default_rng(5).normal(-1.0, np.sqrt(0.02), (paths, 1))
    ends = fpk.simulate(model, states, duration=1.5, step=1e-3, paths=paths, seed=11)
    share = float((ends.values[-1] > 0).mean())
    error = np.sqrt(share * (1 - share) / paths)
    assert abs(evolution.probability(x > 0)[0] - share) < 3 * error
    # Without the ramp it would be off by many.
    fixed = fpk.Diffusion((x,), [-loss.diff(x).subs(t, 0)], [[sp.Rational(1, 4)]])
    still = fpk.evolve(fpk.assemble(fixed, grid), start, [1.5])
    assert abs(still.probability(x > 0)[0] - share) > 10 * error


def test_coefficients_in_time_are_of_second_order() -> None:
    rate = 1 + sp.sin(4 * t)
    model = fpk.Diffusion((x,), [-rate * x], [[1 + t / 2]], time=t)
    grid = fpk.Grid(x=(-7, 7, 50))
    start = fpk.gaussian_density(grid, [2.0], [[0.5]])
    operator = fpk.assemble(model, grid, time=0.5)

    def rates(time: float) -> Array:
        result: Array = fpk.assemble(model, grid, fpk.Selling(), time=time).matrix.toarray()
        return result

    exact = solve_ivp(
        lambda time, masses: rates(time) @ masses,
        (0.5, 1.5),
        start.masses,
        method="Radau",
        jac=lambda time, _: rates(time),
        rtol=1e-6,
        atol=1e-9,
    ).y[:, -1]
    found = [fpk.evolve(operator, start, [1.5], tolerance=10.0**-k) for k in (2, 3, 4)]
    errors = [np.abs(evolution.densities[0].masses - exact).sum() for evolution in found]
    steps = [evolution.info["steps"] for evolution in found]
    assert np.polyfit(np.log(steps), np.log(errors), 1)[0] == pytest.approx(-2.0, abs=0.4)
    assert (np.array(errors) < [1e-2, 1e-3, 1e-4]).all()
    # The exact mean: the grid leaves 1e-2.
    lost = sp.integrate(rate, (t, sp.Rational(1, 2), sp.Rational(3, 2)))
    assert found[-1].means[0, 0] == pytest.approx(2.0 * np.exp(-float(lost)), abs=0.02)


def test_survival_between_absorbing_walls_is_the_exact_series() -> None:
    grid = fpk.Grid(x=(0, 1, 200), boundary="absorbing")
    operator = fpk.assemble(fpk.Diffusion((x,), [0], [[1]]), grid)
    start = fpk.gaussian_density(grid, [0.4], [[0.01]])
    times = np.geomspace(1e-3, 1.0, 13)
    evolution = fpk.evolve(operator, start, times)
    points = (np.arange(20000) + 0.5) / 20000
    density = np.exp(-((points - 0.4) ** 2) / 0.02)
    density /= density.mean()
    survival = np.zeros(times.size)
    for k in range(1, 120, 2):
        amplitude = 2 * (density * np.sin(k * np.pi * points)).mean()
        survival += amplitude * 2 / (k * np.pi) * np.exp(-((k * np.pi) ** 2) * times)
    assert np.abs(evolution.mass - survival).max() < 1e-4
    assert evolution.info["mass_error"] is None


def test_what_survives_long_after_decays_at_the_quasi_stationary_rate() -> None:
    grid = fpk.Grid(x=(0, 1, 60), boundary={"x": ("reflecting", "absorbing")})
    operator = fpk.assemble(fpk.Diffusion((x,), [1], [[sp.Rational(1, 4)]]), grid)
    start = fpk.gaussian_density(grid, [0.3], [[0.01]])
    evolution = fpk.evolve(operator, start, [2.0, 4.0], tolerance=1e-6)
    rate = fpk.quasi_stationary_density(operator).info["decay_rate"]
    assert -np.log(evolution.mass[1] / evolution.mass[0]) == pytest.approx(2 * rate, rel=1e-2)
    assert evolution.values.min() >= 0.0


def _ou() -> tuple[fpk.FokkerPlanckOperator, fpk.Density]:
    grid = fpk.Grid(x=(-5, 5, 80))
    operator = fpk.assemble(fpk.Diffusion((x,), [-x], [[1]]), grid)
    return operator, fpk.gaussian_density(grid, [2.0], [[0.1]])


def _irreversible() -> tuple[fpk.FokkerPlanckOperator, fpk.Density]:
    grid = fpk.Grid(x=(-3, 3, 24), y=(-3, 3, 24))
    model = fpk.Diffusion((x, y), [-x + y, -y - x], [[1, 0.4], [0.4, 0.5]])
    return fpk.assemble(model, grid), fpk.gaussian_density(grid, [1.0, 1.0], 0.2 * np.eye(2))


def _absorbing() -> tuple[fpk.FokkerPlanckOperator, fpk.Density]:
    grid = fpk.Grid(x=(0, 1, 60), boundary="absorbing")
    operator = fpk.assemble(fpk.Diffusion((x,), [sp.sin(4 * x)], [[0.2]]), grid)
    return operator, fpk.gaussian_density(grid, [0.3], [[0.005]])


def _cross() -> tuple[fpk.FokkerPlanckOperator, fpk.Density]:
    operator, start = _irreversible()
    assert operator.problem is not None
    cross = fpk.assemble(operator.problem.diffusion, operator.grid, fpk.CrossDiffusion())
    return cross, start


@pytest.mark.parametrize("system", [_ou, _irreversible, _absorbing, _cross])
def test_error_is_below_the_tolerance_at_every_output(system: object) -> None:
    operator, start = system()  # type: ignore[operator]
    times = np.array([0.013, 0.1, 0.37, 1.0, 1.01, 5.0])
    exact = fpk.evolve(operator, start, times, fpk.RationalExponential())
    assert exact.info["estimated_error"] < 1e-9
    for tolerance in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5):
        evolution = fpk.evolve(operator, start, times, tolerance=tolerance)
        errors = distances(evolution, exact)
        assert evolution.errors is not None
        assert (errors <= evolution.errors).all()
        assert evolution.errors[-1] == evolution.info["estimated_error"] <= tolerance
        # The bound is no idle one: it is within a factor of 30 of the largest error, once asked
        # for more than a handful of steps.
        assert errors.max() > evolution.errors.max() / 30 or tolerance > 1e-3
        assert np.abs(evolution.mass - exact.mass).max() < (1e-11 if operator.conserving else 1e-1)


@pytest.mark.parametrize("system", [_ou, _absorbing])
def test_implicit_euler_keeps_its_tolerance(system: object) -> None:
    operator, start = system()  # type: ignore[operator]
    times = np.array([0.0, 0.1, 0.37, 1.0])
    exact = fpk.evolve(operator, start, times, fpk.RationalExponential())
    for tolerance in (1e-1, 1e-2, 3e-3):
        evolution = fpk.evolve(operator, start, times, fpk.ImplicitEuler(), tolerance=tolerance)
        errors = distances(evolution, exact)
        assert evolution.errors is not None
        # Estimates are the leading term: the longest steps may exceed them a little.
        assert (errors <= 1.1 * evolution.errors).all()
        assert tolerance / 30 < errors.max() < tolerance
        assert evolution.values.min() >= 0.0
        assert evolution.info["limited"] == 0.0


def test_implicit_euler_is_right_for_seventeen_decades() -> None:
    operator = double_well(96, barrier=40)
    start = fpk.gaussian_density(operator.grid, [-1.0], [[1 / 320]])
    times = np.geomspace(1e-2, 1e17, 20)
    evolution = fpk.evolve(operator, start, times, fpk.ImplicitEuler(), tolerance=1e-3)
    tau = fpk.mean_first_passage_time(operator, x > 0).values[21]
    late = times > 1e3
    expected = -0.5 * np.expm1(-times[late] / tau)
    np.testing.assert_allclose(evolution.probability(x > 0)[late], expected, rtol=0.01)
    assert np.abs(evolution.mass - 1).max() < 1e-12


@pytest.mark.parametrize("method", [None, fpk.ImplicitEuler()])
def test_a_start_in_one_cell_stays_positive(method: fpk.TRBDF2 | None) -> None:
    operator, _ = _irreversible()
    masses = np.zeros(operator.grid.shape)
    masses[20, 3] = 1.0
    start = fpk.Density(masses / operator.grid.volumes, operator.grid)
    times = np.geomspace(1e-3, 10.0, 9)
    evolution = fpk.evolve(operator, start, times, method, tolerance=0.05)
    exact = fpk.evolve(operator, start, times, fpk.RationalExponential())
    assert evolution.values.min() >= 0.0
    assert np.abs(evolution.mass - 1).max() < 1e-12
    assert distances(evolution, exact).max() < 0.05


def test_mass_moved_for_positivity_counts_as_error() -> None:
    grid = fpk.Grid(x=(0, 10, 100))
    operator = fpk.assemble(fpk.Diffusion((x,), [5], [[sp.Rational(1, 10)]]), grid)
    start = fpk.gaussian_density(grid, [1.0], [[0.05]])
    evolution = fpk.evolve(operator, start, [1.0], tolerance=0.5)
    assert 0.0 < evolution.info["limited"] < evolution.info["estimated_error"] < 0.5
    assert evolution.values.min() >= 0.0


def test_negative_rates_warn_where_digits_are_lost() -> None:
    operator, start = _cross()
    with pytest.warns(MetastableWarning, match=r"Selling\(\)"):
        evolution = fpk.evolve(operator, start, [1.0, 1e9])
    assert evolution.info["solver"] == "SparseLU"
    monotone, start = _irreversible()
    with pytest.warns(MetastableWarning, match=r"use TRBDF2\(\)"):
        fpk.evolve(monotone, start, [1e9], fpk.RationalExponential(), tolerance=0.5)


def test_rest_costs_few_steps() -> None:
    operator = double_well(100, barrier=5)
    start = fpk.stationary_density(operator)
    evolution = fpk.evolve(operator, start, np.geomspace(1e-3, 1e17, 100))
    assert evolution.info["steps"] < 60
    assert np.abs(evolution.values - start.values).max() < 1e-10


def test_log_density_operator_evolves_by_its_generator() -> None:
    grid = fpk.Grid(x=(-3, 3, 32), y=(-3, 3, 32))
    model = fpk.Diffusion((x, y), [-x + y, -y - x], [[1, 0.4], [0.4, 0.5]])
    operator = fpk.assemble(model, grid, fpk.LogDensity())
    start = fpk.gaussian_density(grid, [1.0, 1.0], 0.2 * np.eye(2))
    evolution = fpk.evolve(operator, start, [30.0])
    assert "first order" in evolution.info["generator"]
    stationary = fpk.stationary_density(operator)
    assert np.abs(evolution.densities[0].masses - stationary.masses).sum() < 1e-4
    ramped = fpk.Diffusion((x, y), [-x + t * y, -y - x], [[1, 0.4], [0.4, 0.5]], time=t)
    with pytest.raises(InvalidModel, match=r"Selling\(\) or CrossDiffusion\(\)"):
        fpk.evolve(fpk.assemble(ramped, grid, fpk.LogDensity(), time=1.0), start, [2.0])


def test_triangles_with_an_absorbing_side() -> None:
    side = np.linspace(0, 1, 13)
    points = np.array([[a + b / 2, b * np.sqrt(0.75)] for a in side for b in side])
    number = np.arange(169).reshape(13, 13)
    triangles = [
        corner
        for i in range(12)
        for j in range(12)
        for corner in (
            [number[i, j], number[i + 1, j], number[i, j + 1]],
            [number[i + 1, j], number[i + 1, j + 1], number[i, j + 1]],
        )
    ]
    mesh = fpk.Mesh.from_triangles("xy", points, triangles, absorbing=y < 1e-9)
    operator = fpk.assemble(fpk.Diffusion((x, y), [0, 0], [[1, 0], [0, 1]]), mesh, fpk.FiPy())
    start = fpk.Density(np.ones(mesh.size) / mesh.volumes.sum(), mesh)
    evolution = fpk.evolve(operator, start, [0.5, 1.0], tolerance=1e-5)
    rate = fpk.quasi_stationary_density(operator).info["decay_rate"]
    assert np.log(evolution.mass[0] / evolution.mass[1]) == pytest.approx(0.5 * rate, rel=1e-3)
    assert np.shape(evolution.values) == (2, mesh.size)


class Interrupted:
    """A method that is interrupted after its second density."""

    def run(
        self, dynamics: Dynamics, masses: Array, times: Array, tolerance: float, record: Record
    ) -> Iterator[Array]:
        """Masses that do not change."""
        yield masses
        yield masses
        raise KeyboardInterrupt


def test_an_interrupt_keeps_what_was_computed() -> None:
    operator, start = _ou()
    with pytest.raises(KeyboardInterrupt) as caught:
        fpk.evolve(operator, start, [0.0, 1.0, 2.0, 3.0, 4.0], Interrupted())
    kept = caught.value.evolution  # type: ignore[attr-defined]
    np.testing.assert_array_equal(kept.times, [0.0, 1.0, 2.0])
    np.testing.assert_array_equal(kept.values[-1], start.values)
    assert "3 of 5 densities" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([], "one or more"),
        ([1.0, 1.0], "1 is followed by 1"),
        ([0.0, np.nan], "finite"),
        ([-1.0], "starts at t = 0, after the time -1"),
        (np.ones((2, 2)), "one or more"),
    ],
)
def test_times_are_checked(times: object, message: str) -> None:
    operator, start = _ou()
    with pytest.raises(InvalidModel, match=message):
        fpk.evolve(operator, start, times)


def test_other_mistakes_are_named() -> None:
    operator, start = _ou()
    with pytest.raises(InvalidModel, match="evolve needs an operator, not Diffusion"):
        fpk.evolve(operator.problem.diffusion, start, [1.0])  # type: ignore[union-attr, arg-type]
    with pytest.raises(InvalidModel, match=r"value such as TRBDF2\(\)"):
        fpk.evolve(operator, start, [1.0], "euler")  # type: ignore[arg-type]
    with pytest.raises(InvalidModel, match="gaussian_density"):
        fpk.evolve(operator, start.values, [1.0])  # type: ignore[arg-type]
    with pytest.raises(InvalidModel, match="tolerance is at least"):
        fpk.evolve(operator, start, [1.0], tolerance=0.0)
    other = fpk.gaussian_density(fpk.Grid(x=(-5, 5, 81)), [0.0], [[1.0]])
    with pytest.raises(GridMismatch, match="lives on"):
        fpk.evolve(operator, other, [1.0])
    negative = fpk.Density(start.values - 1e-3, start.grid)
    with pytest.raises(InvalidModel, match=r"negative in \d+ of 80 cells"):
        fpk.evolve(operator, negative, [1.0])
    ramped = fpk.Diffusion((x,), [-x * t], [[1]], time=t)
    timed = fpk.assemble(ramped, operator.grid, time=0.0)
    with pytest.raises(InvalidModel, match=r"use TRBDF2\(\)"):
        fpk.evolve(timed, start, [1.0], fpk.RationalExponential())


def test_contours_that_disagree_are_refused() -> None:
    grid = fpk.Grid(x=(-4, 4, 40), y=(-4, 4, 40))
    model = fpk.Diffusion((x, y), [-x + 8 * y, -8 * x - y], [[1, 0], [0, 1]])
    operator = fpk.assemble(model, grid, fpk.CrossDiffusion())
    start = fpk.gaussian_density(grid, [1.0, 0.0], 0.2 * np.eye(2))
    with pytest.raises(NotConverged, match="two contours differ"):
        fpk.evolve(operator, start, [2.0], fpk.RationalExponential(), tolerance=1e-10)
