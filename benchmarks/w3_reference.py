"""Reference density of W3: spectral elements in space, Radau IIA in time; nothing of the package.

    python -m benchmarks.w3_reference

solves twice, with other elements and other steps, prints how far apart the answers are, and writes
the finer one to `benchmarks/data/w3_irreversible.npz`. The matrices are those of `w1_reference`.
Time goes in equal steps of the three-stage Radau IIA method of order five, whose stability function
is the Padé approximant with numerator degree 2 and denominator degree 3, in partial fractions.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from benchmarks.w1_problem import BOX, IRREVERSIBLE, Problem
from benchmarks.w1_reference import Line, at_centres, generator

__all__ = ["COVARIANCE", "MEAN", "TIME", "evolved", "initial", "reference"]

Array = NDArray[np.float64]

MEAN, COVARIANCE, TIME = (-1.0, 0.0), 0.05, 1.0
FILE = Path(__file__).parent / "data" / "w3_irreversible.npz"
DEGREE, ELEMENTS, STEPS = 12, 12, 64
# The check of the reference against itself.
OTHER = (10, 13, 40)
NUMERATOR = Polynomial([1, 2 / 5, 1 / 20])
DENOMINATOR = Polynomial([1, -3 / 5, 3 / 20, -1 / 60])


def initial(x: Array, y: Array) -> Array:
    """The normal density from which W3 starts."""
    exponent = ((x - MEAN[0]) ** 2 + (y - MEAN[1]) ** 2) / (2 * COVARIANCE)
    result: Array = np.exp(-exponent) / (2 * np.pi * COVARIANCE)
    return result


def evolved(problem: Problem, degree: int, elements: int, steps: int) -> Array:
    """Density at `TIME` at the nodes of degree and elements, shape (size, size)."""
    line = Line(degree, elements)
    single = line.matrix(0, 0, 0)
    mass, matrix = sparse.csr_array(sparse.kron(single, single)), generator(problem, line)
    nodes = _nodes(line)
    density = initial(nodes[:, None], nodes[None, :]).ravel()
    step = TIME / steps
    poles = DENOMINATOR.roots()
    residues = NUMERATOR(poles) / DENOMINATOR.deriv()(poles)
    # One of each conjugate pair.
    pairs = [(p, r) for p, r in zip(poles, residues, strict=True) if p.imag > -1e-12]
    factors = [splu(sparse.csc_matrix(step * matrix - p * mass)) for p, _ in pairs]
    for _ in range(steps):
        right = (mass @ density).astype(complex)
        terms = [
            (r * f.solve(right)).real * (2.0 if p.imag > 1e-12 else 1.0)
            for f, (p, r) in zip(factors, pairs, strict=True)
        ]
        density = np.sum(terms, axis=0)
    return density.reshape(line.size, line.size)


def _nodes(line: Line) -> Array:
    edges = BOX[0] + line.width * np.arange(line.elements)
    inside = (line.nodes[:-1] + 1.0) / 2.0 * line.width
    return np.append((edges[:, None] + inside).ravel(), BOX[1])


@cache
def reference(cells: int) -> Array:
    """The density at the cell centres, from the committed file."""
    with np.load(FILE) as file:
        return at_centres(file["density"], int(file["degree"]), int(file["elements"]), cells)


def main() -> None:
    """Solve, compare with other elements and steps, and write the file."""
    cells = 256
    area = ((BOX[1] - BOX[0]) / cells) ** 2
    density = evolved(IRREVERSIBLE, DEGREE, ELEMENTS, STEPS)
    fine = at_centres(density, DEGREE, ELEMENTS, cells)
    other = at_centres(evolved(IRREVERSIBLE, *OTHER), *OTHER[:2], cells)
    itself = float(np.abs(fine - other).sum() * area)
    print(
        f"L1 distance of two resolutions {itself:.1e}, mass - 1 {fine.sum() * area - 1:.1e}, "
        f"smallest value {fine.min():.1e}"
    )
    provenance = {
        "command": "python -m benchmarks.w3_reference",
        "method": "Galerkin spectral elements, three-stage Radau IIA",
        "steps": STEPS,
        "l1_against": {"value": itself, "meaning": f"degree, elements, steps {OTHER}"},
    }
    np.savez_compressed(
        FILE,
        density=density,
        degree=DEGREE,
        elements=ELEMENTS,
        box=np.array(BOX),
        provenance=json.dumps(provenance),
    )


if __name__ == "__main__":
    main()
