"""The problem of W4: a double well in the plane with multiplicative noise and a full tensor."""

from __future__ import annotations

import numpy as np
import sympy as sp
from numpy.typing import NDArray

__all__ = ["COLUMNS", "DRIFT", "STEP", "X", "Y", "amplitude", "drift"]

Array = NDArray[np.float64]

X, Y = sp.symbols("x y", real=True)
STEP = 0.01
START = (-1.0, 0.0)
# dX = A dt + B dW, D = B B^T/2; B is triangular, which every method may use.
DRIFT = (X - X**3 - Y / 2, -Y + X / 2)
COLUMNS = (
    (sp.Rational(1, 2) + X**2 / 10, sp.S.Zero),
    (sp.Rational(1, 5) + Y / 10, sp.Rational(2, 5) + X**2 / 20),
)


def drift(x: Array, y: Array) -> tuple[Array, Array]:
    """`DRIFT` in numbers."""
    return x - x * x * x - 0.5 * y, -y + 0.5 * x


def amplitude(x: Array, y: Array) -> tuple[Array, Array, Array]:
    """The entries ``b11, b21, b22`` of `COLUMNS` in numbers."""
    square = x * x
    return 0.5 + 0.1 * square, 0.2 + 0.1 * y, 0.4 + 0.05 * square
