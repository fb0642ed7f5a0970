"""Whether a learning rate is too large for the ordinary diffusion, where that can be known."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import sympy as sp

from fokkerplanck.errors import EdgeOfStabilityWarning
from fokkerplanck.model.optimizer import Optimizer
from fokkerplanck.model.samples import SampleMean
from fokkerplanck.model.symbols import has_jumps, hessian

__all__ = ["warn_at_the_edge"]

# Multiplier of a step below which theta is rather (-1)^n times a slow variable than slow itself:
# of a quadratic, the stationary variance of the ordinary diffusion is 1 - x/2 of the exact one at
# order 1 and 1 - x^2/4 at order 2 with x = eta L'', that of the rod the same with 2 - x for x.
ALTERNATES = 0.0
# Roots of a gradient are known to this share of their size.
ROOT = 1e-9


def warn_at_the_edge(optimizer: Optimizer) -> None:
    """Warn when a multiplier ``1 - eta L''`` at a minimum is negative; silent if none is known."""
    for place, multiplier in _multipliers(optimizer):
        if multiplier < ALTERNATES:
            warnings.warn(
                f"the multiplier of a step, 1 - eta L'', is {multiplier:.3g} at {place}: theta "
                "alternates there, and its ordinary diffusion is not the one that SGD follows; "
                "use StochasticRod, or transition_operator at any learning rate",
                EdgeOfStabilityWarning,
                stacklevel=3,
            )
            return


def _multipliers(optimizer: Optimizer) -> Iterator[tuple[str, float]]:
    """Smallest multiplier at every minimum that can be told at once, with words for the place."""
    variables, objective = optimizer.variables, optimizer.objective
    if optimizer.learning_rate.free_symbols or objective.free_symbols - set(variables):
        return
    if objective.has(SampleMean) or has_jumps(objective, variables):
        return
    eta = float(optimizer.learning_rate)
    curvature = hessian(objective, variables)
    if not curvature.free_symbols:
        values = np.linalg.eigvalsh(np.array(curvature.tolist(), dtype=float))
        if values[0] > 0.0:
            yield "the minimum", 1.0 - eta * float(values[-1])
    elif len(variables) == 1:
        (theta,) = variables
        for place in _critical(optimizer.gradient[0], theta):
            bend = curvature[0].xreplace({theta: place}).evalf()
            if bend.is_real and bend > 0:
                yield f"{theta} = {float(place):.4g}", 1.0 - eta * float(bend)


def _critical(slope: sp.Expr, theta: sp.Symbol) -> list[sp.Float]:
    """Real roots of a polynomial; of another function 0, where it vanishes there."""
    polynomial = slope.as_poly(theta)
    if polynomial is not None and not polynomial.free_symbols_in_domain:
        roots = np.roots(np.array(polynomial.all_coeffs(), dtype=float))
        return [sp.Float(r.real) for r in roots if abs(r.imag) <= ROOT * (1 + abs(r))]
    return [sp.Float(0)] if slope.xreplace({theta: sp.S.Zero}).evalf() == 0 else []
