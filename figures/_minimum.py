"""Minimum of a loss on data, and what SGD is made of there."""

from __future__ import annotations

import numpy as np
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.discretize.coefficients import compile_expressions

# Newton's method from 0 on a convex loss: quadratic convergence after a few.
ITERATIONS = 30


def minimum(sgd: fpk.SGD) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Minimiser of the loss, Hessian and covariance of the gradient noise there."""
    size = len(sgd.variables)
    compiled = compile_expressions(
        [*sgd.gradient, *sp.hessian(sgd.objective, sgd.variables), *sgd.covariance], sgd.variables
    )

    def at(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        slope, hessian, noise = np.split(compiled(*theta), [size, size + size**2])
        return slope, hessian.reshape(size, size), noise.reshape(size, size)

    theta = np.zeros(size)
    for _ in range(ITERATIONS):
        slope, hessian, _ = at(theta)
        theta = theta - np.linalg.solve(hessian, slope)
    _, hessian, noise = at(theta)
    return theta, hessian, noise
