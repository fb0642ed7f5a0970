"""Minima and saddles of the exponent of a density: where the isothermal force vanishes.

With ``F = A - div D`` the flux is ``F p - D grad p``, whatever convention a diffusion was given in,
and in detailed balance ``F = -D grad Phi`` with ``p = exp(-Phi)``.  Everything that Laplace's
method needs at a critical point follows from F, D and their derivatives there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from fokkerplanck.discretize.coefficients import compile_expressions
from fokkerplanck.discretize.definite import require_semidefinite
from fokkerplanck.errors import InvalidCoefficient, InvalidModel, NotPositiveSemidefinite
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.symbols import differentiate
from fokkerplanck.theory.newton import as_text, find_zero

__all__ = ["Coefficients", "CriticalPoint", "Derivatives", "as_points", "find_critical_point"]

Array = NDArray[np.float64]


class Derivatives:
    """Expressions and their partial derivatives of every order up to `order`, as arrays."""

    def __init__(self, expressions: Sequence[sp.Expr], variables: Any, order: int) -> None:
        self.count, self.size, self.order = len(expressions), len(variables), order
        self.keys = [
            key
            for n in range(order + 1)
            for key in combinations_with_replacement(range(self.size), n)
        ]
        table: dict[tuple[int, ...], list[sp.Expr]] = {(): [sp.sympify(e) for e in expressions]}
        for key in self.keys[1:]:
            table[key] = [differentiate(e, variables[key[-1]]) for e in table[key[:-1]]]
        self._evaluate: Callable[..., Array] = compile_expressions(
            [e for key in self.keys for e in table[key]], variables
        )

    def __call__(self, point: Array) -> list[Array]:
        """Shapes ``(count,)``, ``(count, d)``, ``(count, d, d)``, ... at one point."""
        values = self._evaluate(*point).reshape(len(self.keys), self.count)
        if not np.isfinite(values).all():
            raise InvalidCoefficient(
                f"the drift, the tensor or one of their derivatives is not finite at "
                f"{tuple(float(c) for c in point)}"
            )
        found = dict(zip(self.keys, values, strict=True))
        results = []
        for n in range(self.order + 1):
            result = np.empty((self.count, *[self.size] * n))
            for index in np.ndindex(*[self.size] * n):
                result[(slice(None), *index)] = found[tuple(sorted(index))]
            results.append(result)
        return results


@dataclass(frozen=True)
class Coefficients:
    """Isothermal force and tensor of a diffusion, with derivatives, compiled when first needed.

    Raises
    ------
    InvalidModel
        When the tensor is clipped numerically, so that it has no symbolic derivatives.
    UnboundSymbol
        When a parameter has no value.
    """

    diffusion: Diffusion
    _compiled: dict[tuple[int, int], tuple[Derivatives, Derivatives]] = field(default_factory=dict)

    def at(self, point: Array, order: tuple[int, int] = (1, 1)) -> tuple[list[Array], list[Array]]:
        """Derivatives of the force up to order[0], of the tensor (d, d, ...) up to order[1]."""
        if order not in self._compiled:
            model = self.diffusion
            self._compiled[order] = (
                Derivatives(list(model.force), model.variables, order[0]),
                Derivatives(list(model.tensor), model.variables, order[1]),
            )
        force, tensor = self._compiled[order]
        d = self.diffusion.dimension
        return force(point), [t.reshape(d, d, *t.shape[1:]) for t in tensor(point)]

    def slope(self, point: Array) -> Array:
        """``grad Phi = -D^-1 F`` of a diffusion in detailed balance."""
        force, tensor = self.at(point, (0, 0))
        return np.asarray(-np.linalg.solve(tensor[0], force[0]), dtype=np.float64)

    def asymmetry(self, point: Array) -> float:
        """Antisymmetric share of the Jacobian of ``D^-1 F``: 0 everywhere in detailed balance."""
        force, tensor = self.at(point)
        slope = np.linalg.solve(tensor[0], force[0])
        rows = force[1] - np.einsum("imj,m->ij", tensor[1], slope)
        jacobian = np.linalg.solve(tensor[0], rows)
        size = np.linalg.norm(jacobian) + np.linalg.norm(slope)
        return float(np.linalg.norm(jacobian - jacobian.T) / size) if size > 0 else 0.0


@dataclass(frozen=True)
class CriticalPoint:
    """Where the force vanishes: position, Jacobian of the force, diffusion tensor."""

    position: Array
    jacobian: Array
    tensor: Array

    @property
    def hessian(self) -> Array:
        """Second derivatives of Phi in detailed balance, ``-D^-1 dF``."""
        found = -np.linalg.solve(self.tensor, self.jacobian)
        return (found + found.T) / 2

    @property
    def growth_rates(self) -> Array:
        """Real parts of the eigenvalues of the force's Jacobian, ascending."""
        return np.sort(np.linalg.eigvals(self.jacobian).real)

    @property
    def anisotropy(self) -> float:
        """Largest over smallest eigenvalue of the tensor."""
        values = np.linalg.eigvalsh(self.tensor)
        return float(values[-1] / values[0])


def as_points(value: Any, dimension: int, name: str) -> list[Array]:
    """One point or several, each with as many numbers as there are variables.

    Raises
    ------
    InvalidModel
    """
    try:
        points = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        points = np.empty(0)
    if points.ndim == 0 and dimension == 1:
        points = points.reshape(1)
    if points.ndim == 1:
        points = points[np.newaxis]
    if points.size == 0 or points.ndim != 2 or points.shape[1] != dimension:
        raise InvalidModel(
            f"the {name} is a tuple of {dimension} numbers, or a list of such, not {value!r}"
        )
    if not np.isfinite(points).all():
        raise InvalidModel(f"the {name} {value!r} is not finite")
    return list(points)


def find_critical_point(
    coefficients: Coefficients, start: Array, name: str, unstable: int
) -> CriticalPoint:
    """Newton's method from a point nearby.

    Parameters
    ----------
    unstable : int
        Directions in which the force must drive away: 0 at a minimum, 1 at a saddle.

    Raises
    ------
    InvalidModel
        When the iteration finds none, or one with another number of unstable directions.
    NotPositiveSemidefinite
        When the tensor has an eigenvalue there that is not positive.
    """

    def force(point: Array) -> tuple[Array, Array]:
        (value, jacobian), _ = coefficients.at(point)
        return value, jacobian

    point = find_zero(force, start, name)
    (_, jacobian), (tensor, _) = coefficients.at(point)
    names = [v.name for v in coefficients.diffusion.variables]
    require_semidefinite(tensor, list(point), names)
    if np.linalg.eigvalsh(tensor)[0] <= 0.0:
        raise NotPositiveSemidefinite(
            f"D has eigenvalue {np.linalg.eigvalsh(tensor)[0]:.3g} at the {name} {as_text(point)}; "
            "the formula needs noise in every direction"
        )
    found = CriticalPoint(point, jacobian, tensor)
    positive = int((found.growth_rates > 0.0).sum())
    if positive != unstable:
        raise InvalidModel(
            f"from {as_text(start)} the {name} is at {as_text(point)}, where the force has "
            f"{positive} unstable directions (growth rates {as_text(found.growth_rates)}); "
            f"a {name} has {unstable}"
        )
    return found
