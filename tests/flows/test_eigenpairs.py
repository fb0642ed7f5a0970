"""Largest eigenvalues from products: against a dense solver, multiple ones too, and the cost."""

from __future__ import annotations

import numpy as np
import pytest

from fokkerplanck.errors import NotConverged
from fokkerplanck.flows.eigenpairs import top_eigenpairs


def matrix(top: list[float], size: int = 300) -> np.ndarray:
    """Eigenvalues `top`, the others in a band below 1, negative ones too."""
    rng = np.random.default_rng(2)
    basis = np.linalg.qr(rng.normal(size=(size, size)))[0]
    values = np.concatenate([top, rng.uniform(-0.3, 1.0, size - len(top))])
    return (basis * values) @ basis.T


@pytest.mark.parametrize("top", [[3.0, 2.0, 1.5], [2.0, 2.0, 2.0 - 1e-9], [2.0] * 5])
def test_multiple_eigenvalues_are_all_found(top: list[float]) -> None:
    full = matrix(top)
    values, vectors = top_eigenpairs(lambda v: full @ v, 300, len(top), tolerance=1e-8)
    np.testing.assert_allclose(values, top, rtol=1e-12)
    wanted = vectors[:, : len(top)]
    np.testing.assert_allclose(wanted.T @ wanted, np.eye(len(top)), atol=1e-10)
    np.testing.assert_allclose(full @ wanted, wanted * values, atol=3e-8)


def test_a_start_nearby_saves_products() -> None:
    spent = []

    def products(vectors: np.ndarray) -> np.ndarray:
        spent[-1] += vectors.shape[1]
        return full @ vectors

    full = matrix([3.0, 2.0, 1.5])
    spent.append(0)
    _, start = top_eigenpairs(products, 300, 2, tolerance=1e-6)
    rng = np.random.default_rng(4)
    change = 1e-4 * rng.normal(size=(300, 300))
    full = full + change + change.T
    spent.append(0)
    values, _ = top_eigenpairs(products, 300, 2, tolerance=1e-6, start=start)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(full)[:-3:-1], rtol=1e-9)
    assert spent[1] < 0.7 * spent[0]


def test_small_matrices_are_filled() -> None:
    full = np.diag([1.0, 4.0, 2.0])
    values, vectors = top_eigenpairs(lambda v: full @ v, 3, 3, tolerance=1e-8)
    np.testing.assert_allclose(values, [4, 2, 1])
    np.testing.assert_allclose(np.abs(vectors), np.eye(3)[:, [1, 2, 0]])


def test_not_a_number_is_refused() -> None:
    with pytest.raises(NotConverged, match="curvatures are not finite"):
        top_eigenpairs(lambda v: np.nan * v, 300, 1, tolerance=1e-8)
