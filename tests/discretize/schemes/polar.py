"""Meshes of domains that are no rectangle."""

from __future__ import annotations

import numpy as np
from scipy.spatial import Delaunay

from fokkerplanck.discretize.mesh import Mesh


def polar_mesh(inner, outer, rings, sectors, **options):
    """Annulus, or disc where `inner` is 0, of straight-sided polar cells: exactly orthogonal."""
    radii = np.linspace(inner, outer, rings + 1)
    angles = 2 * np.pi * np.arange(sectors) / sectors
    circles = radii if inner else radii[1:]
    vertices = [circles[:, None] * np.cos(angles), circles[:, None] * np.sin(angles)]
    points = np.stack([v.ravel() for v in vertices])
    if not inner:
        points = np.concatenate([np.zeros((2, 1)), points], axis=1)

    def vertex(ring, sector):
        if inner:
            return ring * sectors + sector % sectors
        return 0 if ring == 0 else 1 + (ring - 1) * sectors + sector % sectors

    faces = {}
    cells = []
    for ring in range(rings):
        for k in range(sectors):
            loop = [vertex(ring, k), vertex(ring + 1, k), vertex(ring + 1, k + 1)]
            if inner or ring:
                loop.append(vertex(ring, k + 1))
            sides = zip(loop, loop[1:] + loop[:1], strict=True)
            cell = [faces.setdefault(tuple(sorted(side)), len(faces)) for side in sides]
            cells.append(cell + [-1] * (4 - len(cell)))
    return Mesh("xy", points, np.array(list(faces)).T, np.array(cells).T, **options)


def triangulated_disc(rings, **options):
    """Unit disc of Delaunay triangles between rings of 6, 12, 18 ... points."""
    points = [(0.0, 0.0)]
    for ring in range(1, rings + 1):
        angles = 2 * np.pi * np.arange(6 * ring) / (6 * ring)
        radius = ring / rings
        points += list(zip(radius * np.cos(angles), radius * np.sin(angles), strict=True))
    points = np.array(points)
    return Mesh.from_triangles("xy", points, Delaunay(points).simplices, **options)
