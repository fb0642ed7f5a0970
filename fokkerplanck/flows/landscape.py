"""A symbolic loss with its derivatives as numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any, ClassVar, Literal

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from fokkerplanck.discretize.coefficients import compile_expressions
from fokkerplanck.flows.complementarity import as_vector
from fokkerplanck.model.symbols import differentiate
from fokkerplanck.sample.runs import place

__all__ = ["Landscape"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Landscape:
    """Derivatives of a loss at many points at once.

    Points have shape (d, ...), so have gradients; Hessians have (d, d, ...), third derivatives
    (d, d, d, ...).  Numbers that are not finite are returned as they are: whoever steps there
    stops.
    """

    loss: sp.Expr
    variables: tuple[sp.Symbol, ...]
    tolerance: float = 1e-9

    # It turns to a stiff method by itself, where the sharpness may grow without bound.
    integrator: ClassVar[Literal["LSODA"]] = "LSODA"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the variables."""
        return tuple(v.name for v in self.variables)

    @cached_property
    def _loss(self) -> Callable[..., Array]:
        return compile_expressions([self.loss], self.variables)

    @cached_property
    def _gradient(self) -> Callable[[Array], tuple[Array, ...]]:
        return self._compile(1)

    @cached_property
    def _to_second(self) -> Callable[[Array], tuple[Array, ...]]:
        return self._compile(2)

    @cached_property
    def _to_third(self) -> Callable[[Array], tuple[Array, ...]]:
        return self._compile(3)

    def _compile(self, highest: int) -> Callable[[Array], tuple[Array, ...]]:
        """All derivatives up to an order in one function, which shares what they have in common."""
        size, orders = len(self.variables), range(1, highest + 1)
        indices = [i for k in orders for i in combinations_with_replacement(range(size), k)]
        entries = [
            differentiate(self.loss, *(self.variables[i] for i in index)) for index in indices
        ]
        compiled = compile_expressions(entries, self.variables)
        number = {index: k for k, index in enumerate(indices)}
        # Entry (i, j, k) of a full tensor is that of its indices in order.
        full = [[number[tuple(sorted(i))] for i in np.ndindex((size,) * k)] for k in orders]

        def evaluate(points: Array) -> tuple[Array, ...]:
            values = compiled(*points)
            return tuple(
                values[entry].reshape((size,) * order + values.shape[1:])
                for order, entry in zip(orders, full, strict=True)
            )

        return evaluate

    def value(self, points: Array) -> Array:
        """``L``."""
        values: Array = self._loss(*points)[0]
        return values

    def gradient(self, points: Array) -> Array:
        """``grad L``."""
        return self._gradient(points)[0]

    def to_second(self, points: Array) -> tuple[Array, Array]:
        """``grad L`` and the Hessian."""
        slope, curvature = self._to_second(points)
        return slope, curvature

    def to_third(self, points: Array) -> tuple[Array, Array, Array]:
        """``grad L``, the Hessian and the third derivatives."""
        slope, curvature, bend = self._to_third(points)
        return slope, curvature, bend

    def along_gradient(self, point: Array) -> tuple[Array, Array, Array, Array]:
        """``g``, ``H g``, ``H^2 g`` and ``L'''[g, g]`` at one point."""
        slope, curvature, bend = self.to_third(point)
        bent = curvature @ slope
        return slope, bent, curvature @ bent, bend @ slope @ slope

    def top(self, point: Array, count: int) -> tuple[Array, Array]:
        """The `count` largest curvatures, largest first, and their directions (d, count)."""
        values, vectors = np.linalg.eigh(self.to_second(point)[1])
        return values[::-1][:count], vectors[:, ::-1][:, :count]

    def critical(self, point: Array, number: int) -> tuple[Array, Array, Array, Array]:
        """Gradient, the first `number` curvatures, their directions, the block's derivative.

        The derivative ``d(u_i . H u_j)/dw`` has shape (d, number (number + 1)/2), pairs as in
        `as_vector`.
        """
        slope, curvature, third = self.to_third(point)
        if not np.isfinite(third).all():
            lost = np.full((point.size, number * (number + 1) // 2), np.nan)
            return slope, lost[0, :number], lost[:, :number], lost
        values, vectors = np.linalg.eigh(curvature)
        values, critical = values[::-1][:number], vectors[:, ::-1][:, :number]
        return slope, values, critical, as_vector(critical.T @ third @ critical)

    def sharpness(self, points: Array) -> Array:
        """Largest eigenvalue of ``H`` at points of shape (d, n), shape (n,)."""
        values = np.linalg.eigvalsh(np.moveaxis(self.to_second(points)[1], -1, 0))
        return np.asarray(values[:, -1], dtype=np.float64)

    def derivatives(self, point: Array) -> dict[str, Array]:
        """Loss, gradient and Hessian by name."""
        slope, curvature = self.to_second(point)
        return {"loss": self.value(point), "gradient": slope, "Hessian": curvature}

    def probes(self, points: Array) -> Array:
        """Numbers that are finite where second derivatives exist, shape (m, n)."""
        return self.to_second(points)[1].reshape(-1, points.shape[1])

    def cost(self, steps: int) -> dict[str, Any]:
        """Evaluations a step: not counted here."""
        return {}

    def place(self, point: Array) -> str:
        """``(x, y) = (0.02, -0.4)``."""
        return place(self.names, point)
