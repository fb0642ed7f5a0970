"""Slow rates to six digits and more, at any barrier, against many-digit arithmetic."""

import pickle
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp
from numpy.typing import NDArray
from scipy.sparse import csc_matrix

import fokkerplanck as fpk
from fokkerplanck.discretize.info import Info
from fokkerplanck.errors import (
    DisconnectedDomain,
    DisconnectedWarning,
    InvalidModel,
    MetastableWarning,
)

Array = NDArray[np.float64]
x, y = sp.symbols("x y", real=True)


def exact_rates(matrix: Array, killing: Array, *, line: bool = False) -> list[complex]:
    """Eigenvalues of ``-Q`` by QR iteration in 90 digits, smallest modulus first.

    On a line the matrix is made symmetric, which is faster.
    """
    with mpmath.workdps(90):
        size = matrix.shape[0]
        rates = mpmath.matrix(size, size)
        for j in range(size):
            for i in range(size):
                if i != j:
                    rates[i, j] = -mpmath.mpf(float(matrix[i, j]))
            rates[j, j] = mpmath.mpf(float(killing[j])) - sum(
                rates[i, j] for i in range(size) if i != j
            )
        if line:
            for i in range(size - 1):
                rates[i, i + 1] = rates[i + 1, i] = mpmath.sqrt(rates[i, i + 1] * rates[i + 1, i])
            values = mpmath.eigsy(rates, eigvals_only=True)
        else:
            values = mpmath.eig(rates, left=False, right=False)
        return [complex(value) for value in sorted(values, key=abs)]


def hopping(potential: Array, turning: float = 0.0) -> fpk.FokkerPlanckOperator:
    """Hops between neighbours on a grid; `turning` speeds up one way round every square."""
    cells = np.arange(potential.size).reshape(potential.shape)
    matrix = np.zeros((potential.size,) * 2)
    level = potential.ravel()
    for axis in range(potential.ndim):
        one = np.delete(cells, -1, axis).ravel()
        other = np.delete(cells, 0, axis).ravel()
        for a, b in ((one, other), (other, one)):
            matrix[b, a] = np.exp((level[a] - level[b]) / 2)
    if turning:
        row, column = np.unravel_index(cells.ravel(), potential.shape)
        for a, b in np.argwhere(matrix > 0.0):
            clockwise = (row[a] - row[b]) * (column[a] - 2) - (column[a] - column[b]) * (row[a] - 2)
            matrix[a, b] *= np.exp(turning * np.sign(clockwise))
    names = ("x", "y")[: potential.ndim]
    grid = fpk.Grid({name: (0, n, n) for name, n in zip(names, potential.shape, strict=True)})
    return fpk.FokkerPlanckOperator(
        csc_matrix(matrix), grid, np.zeros(potential.size), None, True, Info()
    )


def wells(depths: list[float], size: int) -> Array:
    """A line with wells of these depths."""
    position = (np.arange(size) + 0.5) / size * len(depths) - 0.5
    return -sum(
        depth * np.exp(-(((position - k) / 0.3) ** 2)) for k, depth in enumerate(depths)
    ) * np.ones(size)


PLANE = np.zeros((6, 6))
PLANE[1, 1], PLANE[4, 1], PLANE[2, 4] = -34.0, -40.0, -25.0
PLANE[1, 0], PLANE[4, 2], PLANE[2, 5] = -33.0, -38.5, -24.5


@pytest.mark.parametrize(
    ("potential", "turning", "slow"),
    [
        # Rates of 1e-15, then 1e-7 of the fast ones; and 1e-29.
        (wells([36.0, 18.0, 40.0], 27), 0.0, 2),
        (wells([70.0, 34.0, 71.0], 27), 0.0, 2),
        (PLANE, 0.0, 2),
        (PLANE, 0.7, 2),
        (2.0 * PLANE, 0.7, 2),
    ],
)
def test_rates_of_three_wells(potential: Array, turning: float, slow: int) -> None:
    operator = hopping(potential, turning)
    spectrum = fpk.spectrum(operator, 6)
    line = potential.ndim == 1
    exact = exact_rates(operator.matrix.toarray(), operator.killing, line=line)
    rates = spectrum.rates[np.argsort(np.abs(spectrum.rates), kind="stable")]
    assert rates[0] == 0.0
    assert abs(exact[slow]) < 1e-6 * abs(exact[slow + 1])
    for k in range(1, 6):
        assert abs(rates[k]) == pytest.approx(abs(exact[k]), rel=2e-9)
        assert rates[k].real == pytest.approx(exact[k].real, rel=2e-9)
    assert spectrum.info["reversible"] is (turning == 0.0)
    assert max(spectrum.info["errors"]) < 1e-7
    # The errors that are claimed are not too small.
    for rate, error in zip(spectrum.rates[1:], spectrum.info["errors"][1:], strict=True):
        distance = min(abs(rate - value) for value in exact)
        assert distance <= (5 * error + 1e-13) * abs(rate)


@pytest.mark.parametrize(("barrier", "cells"), [(40, 90), (100, 110)])
def test_the_double_well(barrier: float, cells: int) -> None:
    """By double precision alone the first rate is rounding noise of either sign."""
    drift = -barrier * sp.diff((x**2 - 1) ** 2 + sp.Rational(1, 10) * x, x)
    operator = fpk.assemble(fpk.Diffusion((x,), [drift], [[1]]), fpk.Grid(x=(-1.4, 1.4, cells)))
    rate = fpk.spectrum(operator, 3).rates[1]
    exact = exact_rates(operator.matrix.toarray(), operator.killing, line=True)
    assert rate == pytest.approx(exact[1].real, rel=1e-11)
    assert rate < 1e-13
    # Two escape rates, one of either well.
    times = [
        fpk.escape_rate(operator, (start,), target).value
        for start, target in ((-1.0, x > 0.9), (1.0, x < -0.9))
    ]
    assert rate == pytest.approx(sum(times), rel=1e-5)


def test_modes_are_biorthonormal_and_reach_into_the_tails() -> None:
    potential = 30 * (x**2 - 1) ** 2
    for turn in (0, 1):
        model = fpk.Diffusion(
            (x, y),
            [-potential.diff(x) + turn * y, -20 * y - turn * potential.diff(x)],
            sp.eye(2),
        )
        grid = fpk.Grid(x=(-1.7, 1.7, 40), y=(-1.5, 1.5, 30))
        operator = fpk.assemble(model, grid)
        spectrum = fpk.spectrum(operator, 4)
        overlaps = np.einsum("jxy,kxy,xy->jk", spectrum.left.conj(), spectrum.right, grid.volumes)
        np.testing.assert_allclose(overlaps, np.eye(len(spectrum)), atol=1e-10)
        np.testing.assert_allclose(spectrum.left[0], 1.0, rtol=1e-12)
        stationary = fpk.stationary_density(operator)
        np.testing.assert_allclose(spectrum.right[0], stationary.values, rtol=1e-9)
        # The slow observable is a constant in either well, up its walls too, where the density is
        # below 1e-60.
        left = spectrum.left[1].real
        for well in (grid.centers[0] < -0.6, grid.centers[0] > 0.6):
            assert np.ptp(left[well]) < 1e-3 * np.ptp(left)
        for k in range(1, len(spectrum)):
            mode = spectrum.right[k].ravel() * grid.volumes.ravel()
            residual = operator.matrix @ mode + spectrum.rates[k] * mode
            assert np.abs(residual).max() < 1e-9 * np.abs(operator.matrix.diagonal() * mode).max()
            observable = spectrum.left[k].ravel()
            residual = operator.adjoint @ observable + spectrum.rates[k].conjugate() * observable
            scale = np.abs(operator.matrix.diagonal()).max() * np.abs(observable).max()
            assert np.abs(residual).max() < 1e-9 * scale


@pytest.mark.parametrize("turning", [0, 3])
def test_springs_to_second_order(turning: float) -> None:
    """Eigenvalues ``j lambda_1 + k lambda_2``, a conjugate pair where the spring turns."""
    model = fpk.Diffusion((x, y), [-x - turning * y, turning * x - y], sp.eye(2))
    errors = []
    for cells in (40, 80):
        grid = fpk.Grid(x=(-5, 5, cells), y=(-5, 5, cells))
        # The mode of the radius, at twice the damping, turns not at all: its modulus is less.
        rates = fpk.spectrum(fpk.assemble(model, grid), 4).rates
        exact = np.array([0, 1 - turning * 1j, 1 + turning * 1j, 2])
        errors.append(np.abs(rates - exact).max())
    assert errors[1] < 0.3 * errors[0]
    assert errors[1] < 0.05


@pytest.mark.parametrize(
    ("cells", "count", "exact"),
    [((40, 40), 6, [0, 1, 1, 2, 2, 2]), ((24, 24), 10, [0, 1, 1, 2, 2, 2, 3, 3, 3, 3])],
)
def test_multiple_rates_are_all_there(
    cells: tuple[int, int], count: int, exact: list[float]
) -> None:
    model = fpk.Diffusion((x, y), [-x, -y], sp.eye(2))
    grid = fpk.Grid(x=(-6, 6, cells[0]), y=(-6, 6, cells[1]))
    rates = fpk.spectrum(fpk.assemble(model, grid), count).rates
    np.testing.assert_allclose(rates, exact, rtol=0.1)
    np.testing.assert_allclose(rates[1], rates[2], rtol=1e-9)


def test_independent_double_wells() -> None:
    """Four equal wells: rates of the factors, their double and their sum."""
    operator = fpk.assemble(
        fpk.Diffusion((x, y), [-100 * x * (x**2 - 1), -100 * y * (y**2 - 1)], sp.eye(2)),
        fpk.Grid(x=(-1.6, 1.6, 32), y=(-1.6, 1.6, 32)),
    )
    line = fpk.assemble(
        fpk.Diffusion((x,), [-100 * x * (x**2 - 1)], [[1]]), fpk.Grid(x=(-1.6, 1.6, 32))
    )
    rate = fpk.spectrum(line, 2).rates[1]
    assert rate < 1e-8
    rates = fpk.spectrum(operator, 5).rates
    np.testing.assert_allclose(rates[:4], [0, rate, rate, 2 * rate], rtol=1e-9)
    assert rates[4] > 10


def test_absorbing_walls() -> None:
    """No zero rate, and the slowest is that of the survivors."""
    for drift in ([-30 * x * (x**2 - 1) - 3 * y, 3 * x - 20 * y], [-30 * x * (x**2 - 1), -20 * y]):
        grid = fpk.Grid(
            x=(-1.6, 0.4, 40), y=(-1, 1, 30), boundary={"x": ("reflecting", "absorbing")}
        )
        operator = fpk.assemble(fpk.Diffusion((x, y), drift, sp.eye(2)), grid)
        spectrum = fpk.spectrum(operator, 3)
        density = fpk.quasi_stationary_density(operator)
        assert spectrum.rates[0] == pytest.approx(density.info["decay_rate"], rel=1e-9)
        shape = spectrum.right[0] / np.sum(spectrum.right[0] * grid.volumes)
        np.testing.assert_allclose(shape, density.values, rtol=1e-7, atol=1e-12)
    box = fpk.assemble(
        fpk.Diffusion((x,), [0], [[1]]), fpk.Grid(x=(0, np.pi, 200), boundary="absorbing")
    )
    np.testing.assert_allclose(fpk.spectrum(box, 4).rates, [1, 4, 9, 16], rtol=1e-3)


def test_operators_that_are_not_monotone() -> None:
    tensor = sp.Matrix([[1, sp.Rational(9, 10)], [sp.Rational(9, 10), 1]])

    def rates(barrier: float, scheme: Any) -> Any:
        potential = barrier * ((x**2 - 1) ** 2 + y**2)
        drift = -tensor * sp.Matrix([potential.diff(x), potential.diff(y)])
        grid = fpk.Grid(x=(-1.7, 1.7, 40), y=(-1.5, 1.5, 40))
        return fpk.spectrum(fpk.assemble(fpk.Diffusion((x, y), drift, tensor), grid, scheme), 3)

    signed = rates(3, fpk.CrossDiffusion())
    assert signed.info["solver"] == "SparseLU"
    np.testing.assert_allclose(signed.rates, rates(3, fpk.Selling()).rates, rtol=0.2)
    with pytest.warns(MetastableWarning, match="SparseLU lost the digits"):
        rates(30, fpk.CrossDiffusion())


def test_all_rates_of_a_small_chain() -> None:
    operator = hopping(np.array([0.0, 3.0, -1.0, 2.0, -4.0]))
    spectrum = fpk.spectrum(operator, 5)
    dense = np.sort(
        np.linalg.eigvals(
            -operator.matrix.toarray() + np.diag(operator.matrix.toarray().sum(axis=0))
        ).real
    )
    np.testing.assert_allclose(spectrum.rates, dense, atol=1e-12)
    again = pickle.loads(pickle.dumps(spectrum))
    np.testing.assert_array_equal(again.left, spectrum.left)
    assert not again.rates.flags.writeable
    assert spectrum.times[0] == np.inf
    assert spectrum.observable(1).values.shape == (5,)
    with pytest.raises(InvalidModel, match="mode 5 of 5"):
        spectrum.perturbation(5)


@pytest.mark.parametrize("count", [0, -1, 21, 2.5, "two"])
def test_counts_that_are_refused(count: Any) -> None:
    operator = fpk.assemble(fpk.Diffusion((x,), [-x], [[1]]), fpk.Grid(x=(-1, 1, 20)))
    with pytest.raises(InvalidModel, match="from 1 to 20"):
        fpk.spectrum(operator, count)


def test_noise_that_vanishes_between_the_wells() -> None:
    """As many rates are zero as there are parts, and no number comes back."""
    model = fpk.Diffusion((x, y), [4 * x * (1 - x**2), -y], [[x**2, 0], [0, 1]])
    with pytest.warns(DisconnectedWarning):
        operator = fpk.assemble(model, fpk.Grid(x=(-2, 2, 40), y=(-2, 2, 20)))
    with pytest.raises(DisconnectedDomain, match="2 rates are zero"):
        fpk.spectrum(operator, 3)
    with pytest.raises(DisconnectedDomain):
        fpk.rate_matrix(operator, [x < -0.8, x > 0.8])
    with pytest.raises(DisconnectedDomain):
        fpk.escape_rate(operator, (-1.0, 0.0), x > 0.8)


def test_more_copies_than_a_block_has_columns() -> None:
    """Seven equal arms at a hub: each rate of one arm with a closed end occurs six times."""
    arms, length = 7, 6
    size = 1 + arms * length
    matrix = np.zeros((size, size))
    for arm in range(arms):
        path = [0, *range(1 + arm * length, 1 + (arm + 1) * length)]
        for k, (a, b) in enumerate(pairwise(path)):
            matrix[b, a], matrix[a, b] = 1.0, 1.0 + 0.5 * k
    operator = fpk.FokkerPlanckOperator(
        csc_matrix(matrix), fpk.Grid(x=(0, size, size)), np.zeros(size), None, True, Info()
    )
    generator = matrix - np.diag(matrix.sum(axis=0))
    exact = np.sort(np.linalg.eigvals(-generator).real)
    for count in (3, 5, 7, 9):
        np.testing.assert_allclose(fpk.spectrum(operator, count).rates, exact[:count], atol=1e-9)
