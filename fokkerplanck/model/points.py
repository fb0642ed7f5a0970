"""Random points at which identities between expressions are tested, and values there.

SymPy decides few identities; two analytic expressions that agree to 30 digits at random points are
equal with probability one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import sympy as sp

from fokkerplanck.errors import InvalidModel
from fokkerplanck.model.samples import Dataset, SampleMean

__all__ = ["DIGITS", "POINTS", "Point", "equal_at", "random_points", "value_at", "vanishes"]

POINTS = 6
SEED = 20230609
DIGITS = 30
# 30 digits less what cancels where coefficients differ by factors up to 1e10.
AGREE = sp.Float(10) ** -15

Point = dict[sp.Symbol, sp.Float]


def random_points(
    expression: sp.Basic, variables: Sequence[sp.Symbol], tries: int
) -> Iterator[Point]:
    """Random coordinates and parameters, wider and wider for formulas that hold far out only.

    Variables declared positive or negative stay so; parameters lie between 0.5 and 1.5.
    """
    parameters = sorted(expression.free_symbols - set(variables), key=lambda s: str(s.name))
    rng = np.random.default_rng(SEED)
    for reach in (1, 10, 100):
        for _ in range(tries):
            point = {v: _signed(v, float(rng.uniform(-reach, reach))) for v in variables}
            yield point | {p: sp.Float(float(rng.uniform(0.5, 1.5)), DIGITS) for p in parameters}


def _signed(variable: sp.Symbol, value: float) -> sp.Float:
    if variable.is_positive:
        value = abs(value)
    elif variable.is_negative:
        value = -abs(value)
    return sp.Float(value, DIGITS)


def value_at(matrix: sp.MatrixBase, point: Point) -> sp.Matrix | None:
    """Numbers at a point, None outside the domain of a logarithm or a root.

    Averages are taken over the first rows of the data: an identity that holds for any data holds
    for these.
    """
    value = sp.Matrix(matrix).xreplace(point).replace(SampleMean, _mean_of_first_rows).evalf(DIGITS)
    if all(entry.is_number and entry.is_real and entry.is_finite for entry in value):
        return value
    return None


def _mean_of_first_rows(expression: sp.Expr, data: Dataset) -> sp.Expr:
    rows = [dict(zip(data.symbols, map(sp.Float, row), strict=True)) for row in data.table[:3]]
    return sp.Add(*(expression.xreplace(row) for row in rows)) / len(rows)


def equal_at(left: sp.MatrixBase, right: sp.MatrixBase) -> bool:
    """Whether two columns of 30-digit numbers agree, entry by entry."""
    return all(
        abs(a - b) <= AGREE * (1 + abs(a) + abs(b)) for a, b in zip(left, right, strict=True)
    )


def vanishes(expression: sp.Expr, variables: Sequence[sp.Symbol]) -> bool:
    """Whether an expression is zero: expanded, or to 15 digits at random points.

    Raises
    ------
    InvalidModel
        When it has no finite real value at any point tried.
    """
    if sp.expand(expression) == 0:
        return True
    column, tested = sp.Matrix([expression]), 0
    for point in random_points(expression, variables, 10 * POINTS):
        value = value_at(column, point)
        if value is None:
            continue
        if not equal_at(value, sp.zeros(1)):
            return False
        tested += 1
        if tested == POINTS:
            return True
    raise InvalidModel(f"{expression} is no finite real number at any point tried")
