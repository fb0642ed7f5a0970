"""Polygonal meshes: geometry, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from fokkerplanck.discretize.mesh import Mesh
from fokkerplanck.errors import GridMismatch, InvalidGrid
from tests.discretize.schemes.polar import polar_mesh, triangulated_disc


def test_volumes_of_polygons():
    annulus = polar_mesh(1, 2, 4, 12)
    # Area of a regular polygon of 12 corners: 12/2 sin(2 pi/12) r^2 = 3 r^2.
    assert annulus.volumes.sum() == pytest.approx(3 * (4 - 1))
    assert polar_mesh(0, 2, 3, 12).volumes.sum() == pytest.approx(3 * 4)
    assert annulus.shape == (48,)


@pytest.mark.parametrize("mesh", [polar_mesh(0, 1, 5, 10), triangulated_disc(6)])
def test_neighbours_lie_across_their_faces(mesh):
    inner = mesh.face_cells[1] >= 0
    np.testing.assert_allclose(np.hypot(*mesh.face_normals), 1.0)
    np.testing.assert_allclose(
        mesh.spans[:, inner], (mesh.face_normals * mesh.distances)[:, inner], atol=1e-14
    )
    assert mesh.distances.min() > 0
    # Every cell's faces close: sum of n times length is zero.
    outward = np.zeros((2, mesh.size))
    for side, sign in ((0, 1), (1, -1)):
        cells = mesh.face_cells[side]
        there = cells >= 0
        flow = sign * (mesh.face_normals * mesh.face_areas)[:, there]
        np.add.at(outward.T, cells[there], flow.T)
    np.testing.assert_allclose(outward, 0, atol=1e-14)


def test_triangles_have_their_density_at_the_circumcentre():
    vertices = np.array([[0, 0], [2, 0], [0.5, 1.8], [2.4, 1.6]])
    mesh = Mesh.from_triangles("xy", vertices, [[0, 1, 2], [1, 3, 2]])
    for cell, corners in enumerate(([0, 1, 2], [1, 3, 2])):
        reach = np.hypot(*(vertices[corners].T - mesh.points[:, [cell]]))
        np.testing.assert_allclose(reach, reach[0])


def test_mesh_that_is_not_delaunay_is_refused():
    kite = [[0, 0], [2, 0], [0.7, 0.3], [1.2, -0.4]]
    with pytest.raises(InvalidGrid, match=r"1 of 1 faces .* Delaunay"):
        Mesh.from_triangles("xy", kite, [[0, 1, 2], [0, 1, 3]])


def test_own_points_are_kept():
    points = [[0.4, 1.4], [0.5, 0.5]]
    square = ([[0, 1, 2, 0, 1, 2], [0, 0, 0, 1, 1, 1]], [[0, 1, 2], [3, 4, 5]])
    faces = np.array([[0, 1], [1, 2], [3, 4], [4, 5], [0, 3], [1, 4], [2, 5]]).T
    cells = np.array([[0, 5, 2, 4], [1, 6, 3, 5]]).T
    mesh = Mesh("xy", square[0], faces, cells, points=points)
    np.testing.assert_array_equal(mesh.points, points)
    assert mesh.distances[5] == pytest.approx(1.0)
    assert Mesh("xy", square[0], faces, cells) != mesh
    assert mesh == Mesh("xy", square[0], faces, cells, points=points)
    with pytest.raises(InvalidGrid, match="no closed polygon"):
        Mesh("xy", square[0], faces, [[0], [5], [2], [1]])
    with pytest.raises(InvalidGrid, match="one or two cells"):
        Mesh("xy", square[0], faces, cells[:, :1])


def test_absorbing_faces_are_those_in_the_region():
    x = sp.Symbol("x", real=True)
    mesh = polar_mesh(0, 1, 3, 8, absorbing=x > 0)
    assert mesh.absorbing.sum() == 4
    assert np.all(mesh.face_centers[0, mesh.absorbing] > 0)
    assert np.all(mesh.face_cells[1, mesh.absorbing] == -1)


def test_periodic_fipy_mesh_is_refused():
    import fipy

    with pytest.raises(InvalidGrid, match="periodic"):
        Mesh.from_fipy("xy", fipy.PeriodicGrid2D(nx=3, ny=3))


def test_names_are_the_variables():
    mesh = triangulated_disc(2)
    with pytest.raises(GridMismatch, match="name the coordinates"):
        mesh.require(sp.symbols("u v"))
    with pytest.raises(GridMismatch, match="no axis x"):
        mesh.axis("x")
    assert sum(len(p) for p in mesh.polygons) == 3 * mesh.size
