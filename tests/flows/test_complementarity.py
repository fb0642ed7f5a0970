"""Semidefinite complementarity: conditions of optimality on random and on degenerate problems."""

from __future__ import annotations

import numpy as np
import pytest

from fokkerplanck.errors import NotConverged
from fokkerplanck.flows.complementarity import as_matrix, as_vector, solve_complementarity

Array = np.ndarray


def check(operator: Array, constant: Array, solution: Array, tolerance: float) -> None:
    """X and Y semidefinite, and nothing common to both."""
    dual = as_matrix(operator @ as_vector(solution) + constant)
    scale = max(np.abs(solution).max() * np.abs(operator).max(), np.abs(constant).max())
    assert np.linalg.eigvalsh(solution)[0] >= -1e-12 * np.abs(solution).max()
    assert np.linalg.eigvalsh(dual)[0] >= -tolerance * scale
    assert abs(np.sum(solution * dual)) <= tolerance * scale * max(np.abs(solution).max(), 1e-300)


def test_vectors_keep_the_inner_product() -> None:
    rng = np.random.default_rng(1)
    a, b = (m + m.T for m in rng.normal(size=(2, 4, 4)))
    assert as_vector(a) @ as_vector(b) == pytest.approx(np.sum(a * b))
    np.testing.assert_allclose(as_matrix(as_vector(a)), a)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("parameters", [2, 8, 30])
def test_random_problems(size: int, parameters: int) -> None:
    """``M = T^T T/2``, ``A = T^T g`` as in the central flow, with few parameters, too.

    Where M is singular only the interior point's accuracy is left.
    """
    rng = np.random.default_rng(10 * size + parameters)
    regular = parameters >= size * (size + 1) // 2
    tolerance, ranks = 1e-9 if regular else 1e-7, set()
    for _ in range(40):
        derivative = as_vector(_symmetric(rng, parameters, size))
        slope = rng.normal(size=parameters)
        operator, constant = derivative.T @ derivative / 2, slope @ derivative
        solution = solve_complementarity(operator, constant)
        check(operator, constant, solution, tolerance)
        ranks.add(int(np.sum(np.linalg.eigvalsh(solution) > 1e-7 * np.abs(solution).max())))
    if size > 1 and parameters > 2:
        assert len(ranks) > 1  # some hold one curvature, some several


def _symmetric(rng: np.random.Generator, count: int, size: int) -> Array:
    full = rng.normal(size=(count, size, size))
    return full + np.swapaxes(full, 1, 2)


def test_known_solution() -> None:
    """M the identity: X is the projection of -A."""
    constant = as_vector(np.array([[-1.0, 2.0], [2.0, 1.0]]))
    values, basis = np.linalg.eigh(-as_matrix(constant))
    expected = (basis * np.maximum(values, 0)) @ basis.T
    np.testing.assert_allclose(solve_complementarity(np.eye(3), constant), expected, atol=1e-9)


def test_nothing_to_hold() -> None:
    assert not solve_complementarity(np.eye(3), as_vector(np.eye(2))).any()
    assert not solve_complementarity(np.zeros((3, 3)), as_vector(np.eye(2))).any()


@pytest.mark.parametrize("size", [1, 2])
def test_curvatures_that_do_not_depend_on_the_parameters(size: int) -> None:
    count = size * (size + 1) // 2
    with pytest.raises(NotConverged, match="no oscillation holds"):
        solve_complementarity(np.zeros((count, count)), -as_vector(np.eye(size)))


def test_one_of_two_curvatures_cannot_be_held() -> None:
    operator = np.diag([1.0, 0.0, 0.0])
    with pytest.raises(NotConverged, match="no oscillation holds 2 curvatures"):
        solve_complementarity(operator, as_vector(np.diag([-1.0, -1.0])))
