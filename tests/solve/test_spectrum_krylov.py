"""Block Arnoldi iteration on matrices whose eigenvalues are known."""

import numpy as np
import pytest

from fokkerplanck.errors import NotConverged
from fokkerplanck.solve import spectrum_krylov
from fokkerplanck.solve.spectrum_krylov import leading_pairs

EPS = float(np.finfo(float).eps)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("wanted", [1, 4, 5])
def test_leading_eigenvalues(symmetric: bool, wanted: int) -> None:
    """Through a restart or more, the moduli falling slowly."""
    generator = np.random.default_rng(2)
    size = 300
    values = 0.97 ** np.arange(size)
    basis = np.linalg.qr(generator.standard_normal((size, size)))[0]
    matrix = basis @ np.diag(values) @ basis.T
    if not symmetric:
        # Conjugate pairs in the second and third, fourth and fifth place.
        blocks = np.diag(values)
        for k in (1, 3):
            blocks[k : k + 2, k : k + 2] = values[k] * np.array([[0.6, 0.8], [-0.8, 0.6]])
        skew = np.eye(size) + 0.1 * np.triu(generator.standard_normal((size, size)), 1) / 17
        matrix = skew @ blocks @ np.linalg.inv(skew)
    exact = np.linalg.eigvals(matrix)
    exact = exact[np.argsort(-np.abs(exact))]
    pairs = leading_pairs(
        lambda block: matrix @ block,
        generator.standard_normal((size, 2)),
        wanted,
        symmetric=symmetric,
        noise=lambda: EPS,
    )
    # Four would part a pair.
    count = 5 if wanted == 4 and not symmetric else wanted
    assert pairs.values.size == count
    assert pairs.converged.all()
    np.testing.assert_allclose(np.abs(pairs.values), np.abs(exact[:count]), rtol=1e-9)
    images = matrix @ pairs.vectors
    assert np.abs(images - pairs.vectors * pairs.values).max() < 1e-9
    np.testing.assert_allclose(np.linalg.norm(pairs.vectors, axis=0), 1.0, rtol=1e-12)


def test_what_hides_in_the_noise_is_not_taken() -> None:
    matrix = np.diag([1.0, 1e-15, 1e-15, 1e-16, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    pairs = leading_pairs(
        lambda block: matrix @ block,
        np.random.default_rng(0).standard_normal((10, 2)),
        3,
        symmetric=True,
        noise=lambda: EPS,
    )
    assert pairs.converged.tolist() == [True, False, False]


def test_iterations_that_do_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectrum_krylov, "PRODUCTS", 5)
    matrix = np.diag(1.0 - 1e-4 * np.arange(400))
    with pytest.raises(NotConverged, match="after 5 products 3 of 3 eigenpairs have residuals"):
        leading_pairs(
            lambda block: matrix @ block,
            np.random.default_rng(0).standard_normal((400, 2)),
            3,
            symmetric=True,
            noise=lambda: EPS,
        )
