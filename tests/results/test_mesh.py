"""Densities on a mesh go through every result and solver that densities on a grid go through."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import sympy as sp
from scipy.spatial import Delaunay

import fokkerplanck as fpk
from fokkerplanck.errors import GridMismatch, InvalidModel

x, y = sp.symbols("x y", real=True)


def disc(rings: int) -> fpk.Mesh:
    """Delaunay triangles of points on rings: all acute, so that circumcentres lie inside."""
    radii = np.linspace(0, 2, rings + 1)[1:]
    points = [[0.0, 0.0]]
    for k, radius in enumerate(radii, 1):
        angles = np.arange(6 * k) * np.pi / (3 * k)
        points += list(zip(radius * np.cos(angles), radius * np.sin(angles), strict=True))
    return fpk.Mesh.from_triangles("xy", points, Delaunay(np.array(points)).simplices)


@pytest.fixture(scope="module")
def solved() -> tuple[fpk.FokkerPlanckOperator, fpk.Density]:
    model = fpk.Diffusion((x, y), [-x, -y - x / 2], [[0.5, 0], [0, 0.5]])
    operator = fpk.assemble(model, disc(24), fpk.FiPy())  # type: ignore[arg-type]
    return operator, fpk.stationary_density(operator)


def test_subtraction_free_and_lu_agree(
    solved: tuple[fpk.FokkerPlanckOperator, fpk.Density],
) -> None:
    operator, density = solved
    assert density.info["solver"] == "SubtractionFree"
    other = fpk.stationary_density(operator, fpk.SparseLU())
    np.testing.assert_allclose(density.values, other.values, rtol=1e-9)
    assert density.mass == pytest.approx(1, abs=1e-13)


def test_moments_and_probabilities(
    solved: tuple[fpk.FokkerPlanckOperator, fpk.Density],
) -> None:
    _, density = solved
    np.testing.assert_allclose(density.mean(), 0, atol=5e-3)
    # By the symmetry of the model under reflection at the origin.
    assert density.probability(x > 0) == pytest.approx(0.5, abs=5e-3)
    assert density.probability(x**2 + y**2 < 1) > 0.5


def test_large_meshes_are_ordered_by_their_graph() -> None:
    """As a chain of cells the elimination would fill in: 100 times the work."""
    model = fpk.Diffusion((x, y), [-x, -y], [[1, 0], [0, 1]])
    operator = fpk.assemble(model, disc(40), fpk.FiPy())  # type: ignore[arg-type]
    density = fpk.stationary_density(operator, fpk.SubtractionFree())
    assert density.info["factor_flops"] < 2e4 * density.grid.size


def test_plot_and_xarray(solved: tuple[fpk.FokkerPlanckOperator, fpk.Density]) -> None:
    _, density = solved
    mpl.use("Agg")
    _, axes = plt.subplots()
    cells = density.plot(axes)
    np.testing.assert_array_equal(cells.get_array(), density.values)
    assert fpk.effective_potential(density).plot(axes) is not None
    plt.close("all")
    array = density.to_xarray()
    assert array.dims == ("cell",)
    np.testing.assert_array_equal(array["x"], density.grid.mesh[0])


def test_what_needs_axes_is_refused(
    solved: tuple[fpk.FokkerPlanckOperator, fpk.Density],
) -> None:
    operator, density = solved
    with pytest.raises(GridMismatch, match="marginal"):
        density.marginal("x")
    with pytest.raises(GridMismatch, match="edges of a Grid"):
        fpk.probability_current(operator, density)


def test_a_mesh_needs_its_scheme() -> None:
    model = fpk.Diffusion((x, y), [-x, -y], [[1, 0], [0, 1]])
    with pytest.raises(InvalidModel, match=r"FiPy\(\)"):
        fpk.assemble(model, disc(4))  # type: ignore[arg-type]
