"""Reference densities of W1: spectral elements, independent of the package and of every peer.

    python -m benchmarks.w1_reference

solves all three problems, prints how good the answers are, and writes the one without a closed
form to `benchmarks/data/w1_irreversible.npz`. Galerkin's method with Gauss-Lobatto-Legendre nodes
of degree 12 on 14 x 14 elements: since the drift is a polynomial, its matrices are sums of
Kronecker products of matrices in one dimension, integrated exactly; walls without flux are the
natural boundary condition.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import sympy as sp
from numpy.polynomial import legendre
from numpy.typing import NDArray
from scipy import sparse
from scipy.interpolate import BarycentricInterpolator
from scipy.sparse.linalg import splu

from benchmarks.w1_problem import (
    BOX,
    IRREVERSIBLE,
    PROBLEMS,
    TEMPERATURE,
    Problem,
    X,
    Y,
    centres,
    loss,
)

__all__ = ["Line", "at_centres", "generator", "nodal_density", "reference"]

Array = NDArray[np.float64]

FILE = Path(__file__).parent / "data" / "w1_irreversible.npz"
DEGREE, ELEMENTS = 12, 14
# The check of the reference against itself: another degree on other elements.
OTHER = (10, 19)


class Line:
    """Continuous piecewise polynomials on the box in one dimension, with nodal basis ``phi_i``."""

    def __init__(self, degree: int, elements: int) -> None:
        self.degree, self.elements = degree, elements
        self.width = (BOX[1] - BOX[0]) / elements
        inner = legendre.Legendre.basis(degree).deriv().roots()
        self.nodes = np.concatenate([[-1.0], np.sort(inner.real), [1.0]])
        self.size = degree * elements + 1
        # Exact up to degree 2 * degree + 5, for products of two basis functions and x^3.
        self.points, self.weights = legendre.leggauss(degree + 3)
        self.basis = BarycentricInterpolator(self.nodes, np.eye(degree + 1))

    def matrix(self, power: int, test: int, trial: int) -> sparse.csr_array:
        """``integral of x^power phi_i^(test) phi_j^(trial)``; the last two count derivatives."""
        left = self._derivative(self.points, test)
        right = self._derivative(self.points, trial)
        total = sparse.lil_array((self.size, self.size))
        for element in range(self.elements):
            middle = BOX[0] + (element + 0.5) * self.width
            weights = self.weights * (middle + self.width / 2 * self.points) ** power
            local = (left * weights[:, None]).T @ right * (self.width / 2) ** (1 - test - trial)
            here = slice(element * self.degree, (element + 1) * self.degree + 1)
            total[here, here] = total[here, here].toarray() + local
        return sparse.csr_array(total)

    def values(self, points: Array) -> Array:
        """Basis functions at points, shape (len(points), size)."""
        element = np.clip((points - BOX[0]) // self.width, 0, self.elements - 1).astype(int)
        local = (points - BOX[0] - (element + 0.5) * self.width) / (self.width / 2)
        result = np.zeros((len(points), self.size))
        columns = element[:, None] * self.degree + np.arange(self.degree + 1)
        np.put_along_axis(result, columns, self.basis(local), axis=1)
        return result

    def _derivative(self, points: Array, order: int) -> Array:
        return self.basis(points) if order == 0 else self.basis.derivative(points, order)


def nodal_density(problem: Problem, degree: int = DEGREE, elements: int = ELEMENTS) -> Array:
    """Stationary density at the nodes, shape (size, size), with integral 1.

    Solves ``integral of grad v . (A p - D grad p) = 0`` for every test function v.
    """
    line = Line(degree, elements)
    matrix = generator(problem, line)
    integral = np.asarray(line.matrix(0, 0, 0).sum(axis=0))
    density = _null_vector(matrix.tocsc(), pinned=_node_near_well(line))
    return density.reshape(line.size, line.size) / (
        integral @ density.reshape(line.size, -1) @ integral
    )


def generator(problem: Problem, line: Line) -> sparse.csr_array:
    """``integral of grad v . (A p - D grad p)`` for every pair of basis functions."""
    drift, tensor = problem.symbolic
    matrix = sparse.csr_array((line.size**2, line.size**2))
    for axis, component in enumerate(drift):
        for (power_x, power_y), factor in sp.Poly(component, X, Y).terms():
            in_x = line.matrix(power_x, 1 - axis, 0)
            in_y = line.matrix(power_y, axis, 0)
            matrix = matrix + float(factor) * sparse.kron(in_x, in_y)
        for other in range(2):
            in_x = line.matrix(0, 1 - axis, 1 - other)
            in_y = line.matrix(0, axis, other)
            matrix = matrix - float(tensor[axis, other]) * sparse.kron(in_x, in_y)
    return matrix


def _node_near_well(line: Line) -> int:
    """Number of the node next to (1, 0), where the density is large."""
    offsets = line.values(np.array([1.0, 0.0]))
    in_x, in_y = np.argmax(offsets, axis=1)
    return int(in_x * line.size + in_y)


def _null_vector(matrix: sparse.csc_array, pinned: int) -> Array:
    others = np.delete(np.arange(matrix.shape[0]), pinned)
    density = np.ones(matrix.shape[0])
    right = -matrix[others][:, [pinned]].toarray().ravel()
    density[others] = splu(sparse.csc_matrix(matrix[others][:, others])).solve(right)
    return density


def at_centres(density: Array, degree: int, elements: int, cells: int) -> Array:
    """Values of a nodal density at the cell centres, shape (cells, cells)."""
    x, _ = centres(cells)
    basis = Line(degree, elements).values(x[:, 0])
    result: Array = basis @ density @ basis.T
    return result


def gibbs(cells: int) -> Array:
    """``exp(-L/T)/Z`` at the centres; Z by a Gauss rule that is exact to rounding."""
    points, weights = legendre.leggauss(200)
    half = (BOX[1] - BOX[0]) / 2
    on_rule = np.exp(-loss(half * points[:, None], half * points) / TEMPERATURE)
    density: Array = np.exp(-loss(*centres(cells)) / TEMPERATURE)
    return density / (half**2 * weights @ on_rule @ weights)


@cache
def reference(problem: Problem, cells: int) -> Array:
    """The density to compare with, at the cell centres: exact, or from the committed file."""
    if problem.reversible:
        return gibbs(cells)
    with np.load(FILE) as file:
        return at_centres(file["density"], int(file["degree"]), int(file["elements"]), cells)


def main() -> None:
    """Verify the method where the answer is known, then against itself, and write the file."""
    cells = 256
    area = ((BOX[1] - BOX[0]) / cells) ** 2
    quality = {}
    for problem in PROBLEMS.values():
        fine = at_centres(nodal_density(problem), DEGREE, ELEMENTS, cells)
        other = at_centres(nodal_density(problem, *OTHER), *OTHER, cells)
        compared = gibbs(cells) if problem.reversible else other
        quality[problem.name] = float(np.abs(fine - compared).sum() * area)
        itself = float(np.abs(fine - other).sum() * area)
        print(
            f"{problem.name}: L1 distance to exp(-L/T)/Z or to itself {quality[problem.name]:.1e}, "
            f"of two resolutions {itself:.1e}, smallest value {fine.min():.1e}"
        )
    provenance = {
        "command": "python -m benchmarks.w1_reference",
        "method": "Galerkin spectral elements, Gauss-Lobatto-Legendre nodes",
        "l1_against": quality | {"meaning": f"Gibbs, or degree and elements {OTHER}"},
    }
    np.savez_compressed(
        FILE,
        density=nodal_density(IRREVERSIBLE),
        degree=DEGREE,
        elements=ELEMENTS,
        box=np.array(BOX),
        provenance=json.dumps(provenance),
    )


if __name__ == "__main__":
    main()
