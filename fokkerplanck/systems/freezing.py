"""Where a slow coordinate first fulfils an equation."""

from __future__ import annotations

import math

import sympy as sp
from scipy.optimize import brentq

from fokkerplanck.errors import UnboundSymbol

__all__ = ["first_crossing"]


def first_crossing(equation: sp.Eq, coordinate: sp.Symbol, scale: float) -> float:
    """Where ``lhs - rhs`` first turns negative; infinite if nowhere, 0 if from the start.

    Both sides are positive; their logarithms are compared, evaluated by mpmath, since rates over
    deep barriers leave the range of doubles.  The search goes up from ``1e-3 scale`` to ``1e3
    scale`` by factors of 1.25: a stretch of negative sign shorter than that can be missed.

    Raises
    ------
    UnboundSymbol
        When another symbol than `coordinate` is free.
    """
    unbound = sorted(str(s) for s in equation.free_symbols - {coordinate})
    if unbound:
        raise UnboundSymbol(f"no value for {', '.join(unbound)}; give the model numbers first")
    logarithm = sp.log(equation.lhs) - sp.log(equation.rhs)

    def difference(place: float) -> float:
        return float(sp.N(logarithm.xreplace({coordinate: sp.Float(place)})))

    low = 1e-3 * scale
    if difference(low) <= 0:
        return 0.0
    while low < 1e3 * scale:
        high = 1.25 * low
        if difference(high) < 0:
            return float(brentq(difference, low, high, rtol=1e-12))
        low = high
    return math.inf
