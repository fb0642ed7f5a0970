"""W1: stationary densities of a double well with correlated noise, and how far an answer is off.

    L = (x^2 - 1)^2 + y^2 (1 + x/2),   T = 1/4,   box [-2.2, 2.2]^2, reflecting

`REVERSIBLE` has the drift -D grad L / T, hence the density exp(-L/T)/Z whatever the tensor;
`IRREVERSIBLE` the drift -grad L, which for the full tensor is no gradient in the metric of D;
`ISOTROPIC` is both, with D = T, for peers without full tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sympy as sp
from numpy.typing import NDArray

__all__ = ["BOX", "ISOTROPIC", "PROBLEMS", "Errors", "Problem", "centres", "errors"]

Array = NDArray[np.float64]

BOX = (-2.2, 2.2)
TEMPERATURE = 0.25
X, Y = sp.symbols("x y", real=True)
LOSS = (X**2 - 1) ** 2 + Y**2 * (1 + X / 2)


@dataclass(frozen=True)
class Problem:
    """One variant of W1.

    Attributes
    ----------
    name : str
    correlation : float
        Off-diagonal entry of ``D / T``; its diagonal is 1.
    mobility : bool
        Whether the drift is ``-D grad L / T`` instead of ``-grad L``.
    """

    name: str
    correlation: float
    mobility: bool

    @property
    def tensor(self) -> Array:
        """``D``, shape (2, 2)."""
        return TEMPERATURE * np.array([[1.0, self.correlation], [self.correlation, 1.0]])

    @property
    def reversible(self) -> bool:
        """Whether ``exp(-L/T)/Z`` is the stationary density."""
        return self.mobility or self.correlation == 0.0

    @property
    def symbolic(self) -> tuple[sp.Matrix, sp.Matrix]:
        """Drift and tensor as a user of the package writes them."""
        tensor = sp.Rational(1, 4) * sp.Matrix(
            [[1, sp.nsimplify(self.correlation)], [sp.nsimplify(self.correlation), 1]]
        )
        gradient = sp.Matrix([LOSS.diff(X), LOSS.diff(Y)])
        return (-4 * tensor * gradient if self.mobility else -gradient), tensor

    def drift(self, x: Array, y: Array) -> tuple[Array, Array]:
        """``A`` at points, written out: no peer pays for symbols."""
        a_x, a_y = -(4 * x * (x**2 - 1) + y**2 / 2), -2 * y * (1 + x / 2)
        if not self.mobility:
            return a_x, a_y
        c = self.correlation
        return a_x + c * a_y, c * a_x + a_y


REVERSIBLE = Problem("reversible", 0.5, True)
IRREVERSIBLE = Problem("irreversible", 0.5, False)
ISOTROPIC = Problem("isotropic", 0.0, False)
PROBLEMS = {problem.name: problem for problem in (REVERSIBLE, IRREVERSIBLE, ISOTROPIC)}


def loss(x: Array, y: Array) -> Array:
    """``L`` at points."""
    return (x**2 - 1) ** 2 + y**2 * (1 + x / 2)


def centres(cells: int) -> tuple[Array, Array]:
    """Coordinates of the cell centres, both of shape (cells, cells), x first."""
    width = (BOX[1] - BOX[0]) / cells
    line = BOX[0] + width * (np.arange(cells) + 0.5)
    x, y = np.meshgrid(line, line, indexing="ij")
    return x, y


@dataclass(frozen=True)
class Errors:
    """What is wrong with a density at the cell centres.

    Attributes
    ----------
    l1 : integral of ``|p - reference|`` by the midpoint rule, which also gives both integral 1.
    smallest : smallest value of p.
    negative_mass : minus the integral of the negative values.
    mass : integral of p, minus 1, before p is normalised for the other three.
    """

    l1: float
    smallest: float
    negative_mass: float
    mass: float


def errors(density: Array, reference: Callable[[int], Array]) -> Errors:
    """Judge a density, shape (cells, cells), against a reference with values at the centres."""
    cells = density.shape[0]
    area = ((BOX[1] - BOX[0]) / cells) ** 2
    total = float(density.sum() * area)
    p = density / total
    exact = reference(cells)
    exact = exact / (exact.sum() * area)
    return Errors(
        l1=float(np.abs(p - exact).sum() * area),
        smallest=float(p.min()),
        negative_mass=float(-np.minimum(p, 0.0).sum() * area),
        mass=total - 1.0,
    )
