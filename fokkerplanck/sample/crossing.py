"""Targets of sampled paths: a level and its variance rate, and crossings between two steps."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sympy as sp
from numba import njit
from numpy.typing import NDArray
from sympy.core.relational import Relational
from sympy.logic.boolalg import And, BooleanFunction, Not, Or

from fokkerplanck.discretize.kernels import LANES, Kernel, compile_kernel
from fokkerplanck.discretize.level import on_coordinates
from fokkerplanck.errors import InvalidRegion
from fokkerplanck.model.symbols import differentiate, match_names
from fokkerplanck.sample.lanes import ARRIVED

__all__ = ["as_relation", "compile_target", "mark_arrivals"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

# A crossing less probable than exp(-40) = 4e-18 is not drawn: fewer steps than that are sampled.
CERTAIN = 40.0


def as_relation(region: Any, names: Sequence[str]) -> Any:
    """A region as a SymPy relation between real symbols of those names.

    A predicate is called with these symbols; what it returns is the relation.

    Raises
    ------
    InvalidRegion
        As for `fokkerplanck.discretize.level.level_function`; and when a predicate does more than
        compare expressions, so that it cannot be compiled.
    """
    if callable(region) and not isinstance(region, sp.Basic):
        region = _of_predicate(region, names)
    return on_coordinates(region, names)


def _of_predicate(predicate: Callable[..., Any], names: Sequence[str]) -> Any:
    symbols = [sp.Symbol(name, real=True) for name in names]
    try:
        relation = predicate(*symbols)
    # Whatever a stranger's function raises when it meets symbols instead of arrays.
    except Exception as error:
        relation = error
    if isinstance(relation, (Relational, BooleanFunction)):
        return relation
    name = getattr(predicate, "__name__", repr(predicate))
    takes = f"{name}{inspect.signature(predicate)}" if inspect.isroutine(predicate) else name
    raise InvalidRegion(
        f"the predicate {takes} cannot be compiled: called with the symbols "
        f"({', '.join(names)}) it gives {relation!r} instead of a relation; pass a SymPy relation "
        "such as x > 0.8, or sp.And(...) of several"
    )


def compile_target(
    relation: Any,
    variables: Sequence[sp.Symbol],
    tensor: sp.MatrixBase | None,
    time: sp.Symbol | None,
) -> Kernel:
    """Compile ``g``, positive inside the region, and the rate ``(grad g)^T D (grad g)``.

    Parameters
    ----------
    tensor : matrix, or None
        Without it the rate is 0: no path crosses between steps.

    Raises
    ------
    InvalidRegion
        When the relation is an equation.
    """
    coordinates = [sp.Symbol(v.name, real=True) for v in variables]
    known = (*coordinates, *([time] if time is not None else []))
    matched = None if tensor is None else tensor.applyfunc(lambda e: match_names(e, known))
    level, rate = _level(relation, coordinates, matched)
    return compile_kernel([level, rate], coordinates, time=time)


def _level(
    relation: Any, coordinates: Sequence[sp.Symbol], tensor: sp.MatrixBase | None
) -> tuple[sp.Expr, sp.Expr]:
    """Level of a relation, and the rate of the part of it that decides at a point."""
    if isinstance(relation, Not):
        level, rate = _level(relation.args[0], coordinates, tensor)
        return -level, rate
    if isinstance(relation, And | Or):
        # In a fixed order: the arguments of And and Or are sets.
        parts = [_level(part, coordinates, tensor) for part in sp.ordered(relation.args)]
        level, rate = parts[0]
        for other, its in parts[1:]:
            decides = other < level if isinstance(relation, And) else other > level
            rate = sp.Piecewise((its, decides), (rate, True))
            level = (sp.Min if isinstance(relation, And) else sp.Max)(level, other)
        return level, rate
    if isinstance(relation, (sp.Gt, sp.Ge)):
        level = relation.lhs - relation.rhs
    elif isinstance(relation, (sp.Lt, sp.Le)):
        level = relation.rhs - relation.lhs
    else:
        raise InvalidRegion(f"{relation} has no inside; use inequalities joined by And, Or, Not")
    if tensor is None:
        return level, sp.S.Zero
    slope = sp.Matrix([differentiate(level, v) for v in coordinates])
    return level, (slope.T * tensor * slope)[0]


@njit(cache=True, nogil=True, error_model="numpy")
def mark_arrivals(
    before: Array,
    now: Array,
    time_step: float,
    lanes: int,
    step: int,
    order: Integers,
    stopped: Integers,
    reason: Integers,
    rng: np.random.Generator,
) -> int:
    """Stop the paths that are inside, or that were between two steps; returns their number.

    A Brownian bridge from level ``g < 0`` to ``g' < 0`` with variance ``2 q h`` passes 0 with
    probability ``exp(-g g'/(q h))``, where ``q = (grad g)^T D (grad g)`` at the step's beginning.

    Parameters
    ----------
    before, now : two rows, the level and the rate
        `before` is overwritten by `now`.

    Notes
    -----
    Source: E. Gobet, Stoch. Proc. Appl. 87, 167 (2000): of weak order 1 for half-spaces, where
    looking at the steps only has order 1/2.
    """
    arrived = 0
    for i in range(lanes):
        if reason[order[i]] == 0:
            inside = now[i] >= 0.0
            if not inside:
                product, spread = before[i] * now[i], before[LANES + i] * time_step
                if product < CERTAIN * spread:
                    inside = rng.random() < np.exp(-product / spread)
            if inside:
                reason[order[i]], stopped[order[i]] = ARRIVED, step + 1
                arrived += 1
        before[i], before[LANES + i] = now[i], now[LANES + i]
    return arrived
