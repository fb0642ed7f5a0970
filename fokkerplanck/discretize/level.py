"""Regions as level functions: positive inside, negative outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from sympy.core.relational import Relational
from sympy.logic.boolalg import And, BooleanAtom, BooleanFunction, Not, Or

from fokkerplanck.discretize.coefficients import compile_expressions
from fokkerplanck.errors import InvalidRegion

__all__ = ["Level", "level_function", "on_coordinates"]

Array = NDArray[np.float64]
Level = Callable[[Sequence[Array]], Array]


def level_function(region: Any, names: Sequence[str]) -> Level:
    """A function of points that is positive inside the region, negative outside.

    Parameters
    ----------
    region : SymPy relation, And, Or, Not, or a vectorised predicate of the coordinates
        Symbols are matched to `names` by name.

    Raises
    ------
    InvalidRegion
        When the region is constant (``positive=True`` symbols turn ``x > 0`` into ``True``), is
        an equation, or has symbols that are no coordinates.
    """
    if callable(region) and not isinstance(region, sp.Basic):
        return _of_predicate(region)
    return _of_boolean(on_coordinates(region, names), _coordinates(names))


def _coordinates(names: Sequence[str]) -> list[sp.Symbol]:
    return [sp.Symbol(name, real=True) for name in names]


def on_coordinates(region: Any, names: Sequence[str]) -> Any:
    """The relation on real symbols of those names, refused where it is constant."""
    if isinstance(region, (bool, np.bool_, BooleanAtom)):
        raise InvalidRegion(
            f"the region is the constant {region}: a symbol declared positive=True makes x > 0 "
            "true at once; declare it real=True, or pass lambda x: x > 0"
        )
    if not isinstance(region, (Relational, BooleanFunction)):
        raise InvalidRegion(
            f"a region is a relation such as x > 0.8, or sp.And(...) of several, not {region!r}"
        )
    by_name = {s.name: s for s in _coordinates(names)}
    unknown = sorted(s.name for s in region.free_symbols if s.name not in by_name)
    if unknown:
        raise InvalidRegion(f"{unknown} are no coordinates; the grid has {tuple(names)}")
    renamed = region.xreplace({s: by_name[s.name] for s in region.free_symbols})
    if isinstance(renamed, BooleanAtom):
        raise InvalidRegion(f"the region {region} is constant over real coordinates")
    return renamed


def _of_predicate(predicate: Callable[..., Any]) -> Level:
    def level(points: Sequence[Array]) -> Array:
        inside = np.asarray(predicate(*points), dtype=bool)
        return np.where(
            np.broadcast_to(inside, np.broadcast_shapes(*map(np.shape, points))), 1.0, -1.0
        )

    return level


def _of_boolean(region: Any, coordinates: Sequence[sp.Symbol]) -> Level:
    if isinstance(region, And | Or):
        parts = [_of_boolean(part, coordinates) for part in region.args]
        combine = np.minimum if isinstance(region, And) else np.maximum
        return lambda points: combine.reduce(np.broadcast_arrays(*(p(points) for p in parts)))
    if isinstance(region, Not):
        inner = _of_boolean(region.args[0], coordinates)
        return lambda points: -inner(points)
    if isinstance(region, (sp.Gt, sp.Ge)):
        difference = region.lhs - region.rhs
    elif isinstance(region, (sp.Lt, sp.Le)):
        difference = region.rhs - region.lhs
    else:
        raise InvalidRegion(f"{region} has no inside; use inequalities joined by And, Or, Not")
    compiled = compile_expressions([difference], coordinates)
    return lambda points: compiled(*points)[0]
