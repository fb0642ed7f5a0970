"""The potential of a detailed-balance diffusion, in closed form where SymPy finds one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import sympy as sp

from fokkerplanck.errors import InvalidModel
from fokkerplanck.model.points import POINTS, Point, random_points, value_at
from fokkerplanck.model.samples import SampleMean
from fokkerplanck.model.symbols import differentiate, has_jumps, match_names

__all__ = ["find_potential"]

# Mixed partial derivatives that agree to this relative accuracy count as equal: parameters are
# often floats with 16 digits, and their products cancel to a few units less.
RELATIVE = 1e-9
# 80 bisections leave 1e-24 of an interval: even a square-root cusp then rises less than RELATIVE.
BISECTIONS = 80


def find_potential(
    force: sp.MatrixBase,
    tensor: sp.MatrixBase,
    offset: sp.Expr,
    variables: Sequence[sp.Symbol],
) -> sp.Expr | None:
    """``Phi`` with ``-grad(Phi - offset) = D^-1 F``, or None when ``D^-1 F`` has a curl.

    Parameters
    ----------
    force, tensor : matrices of expressions, shapes (d, 1) and (d, d)
    offset : expression
        Part of the potential that is known without integration.
    variables : sequence of Symbol

    Raises
    ------
    InvalidModel
        When force or tensor average over data: such a potential has no closed form.
    """
    if force.has(SampleMean) or tensor.has(SampleMean):
        raise InvalidModel(
            "an average over data has no closed-form potential; assemble the operator, which "
            "tests detailed balance on the grid"
        )
    # Integration is cleaner, and Abs differentiates at all, on real symbols.
    real = [sp.Symbol(v.name, real=True) for v in variables]
    back = dict(zip(real, variables, strict=True))
    force, tensor = (m.applyfunc(lambda e: match_names(e, real)) for m in (force, tensor))
    if len(real) > 1 and not _is_curl_free(force, tensor, real):
        return None
    slope = _slope(force, tensor, real)
    potential = match_names(offset, real)
    gained = sp.S.Zero
    for variable, component in zip(real, slope, strict=True):
        remainder = sp.cancel(sp.together(component - differentiate(gained, variable)))
        antiderivative = sp.integrate(sp.expand(remainder), variable)
        if antiderivative.has(sp.Integral):
            gained = _line_integral(slope, real)
            break
        gained += antiderivative
    # A constant, such as the logarithm of a constant tensor, is no part of a potential.
    _, varying = sp.simplify(potential + gained).as_independent(*real, as_Add=True)
    if len(real) > 1 and has_jumps(varying, real) and not _is_continuous(varying, real):
        # A curl concentrated on the jump, which derivatives on either side do not show.
        return None
    if force.has(sp.Float) or tensor.has(sp.Float):
        varying = sp.N(varying)
    return varying.xreplace(back)


def _slope(
    force: sp.MatrixBase, tensor: sp.MatrixBase, variables: Sequence[sp.Symbol]
) -> list[sp.Expr]:
    """``-D^-1 F`` with common factors cancelled, floats as the decimal fractions they print as."""
    exact = [m.applyfunc(lambda e: sp.nsimplify(e, rational=True)) for m in (force, tensor)]
    slope = [sp.cancel(sp.together(component)) for component in _solve(exact[1], -exact[0])]
    if force.has(sp.Float) or tensor.has(sp.Float):
        slope = [_divide_out(component, variables) for component in slope]
    return slope


def _divide_out(quotient: sp.Expr, variables: Sequence[sp.Symbol]) -> sp.Expr:
    """Divide polynomials whose remainder is rounding: what rounded factors hide from `cancel`."""
    numerator, denominator = sp.fraction(quotient)
    if not denominator.free_symbols & set(variables):
        return quotient
    try:
        whole, rest = sp.div(sp.Poly(numerator, *variables), sp.Poly(denominator, *variables))
        sizes = [abs(sp.N(p.max_norm())) for p in (rest, sp.Poly(numerator, *variables))]
        if not sizes[0] <= RELATIVE * sizes[1]:
            return quotient
        largest = whole.max_norm()
    except (sp.PolynomialError, TypeError):
        # Not polynomials, or with parameters as coefficients.
        return quotient
    kept = {m: c for m, c in whole.terms() if abs(c) > RELATIVE * largest}
    return sp.Poly(kept, *variables).as_expr() if kept else sp.S.Zero


def _solve(tensor: sp.MatrixBase, right: sp.MatrixBase) -> list[sp.Expr]:
    if tensor.is_diagonal():
        return [r / tensor[i, i] for i, r in enumerate(right)]
    determinant = sp.Matrix(tensor).det()
    return [r / determinant for r in sp.Matrix(tensor).adjugate() * right]


def _line_integral(slope: Sequence[sp.Expr], variables: Sequence[sp.Symbol]) -> sp.Expr:
    """``int_0^1 slope(s x) . x ds``, for slopes without a closed antiderivative."""
    s = sp.Dummy("s", real=True)
    along = {v: s * v for v in variables}
    integrand = sum(
        (c.subs(along, simultaneous=True) * v for c, v in zip(slope, variables, strict=True)),
        sp.S.Zero,
    )
    return sp.Integral(integrand, (s, 0, 1))


def _is_curl_free(
    force: sp.MatrixBase, tensor: sp.MatrixBase, variables: Sequence[sp.Symbol]
) -> bool:
    """Whether the Jacobian of ``g = D^-1 F`` is symmetric at random points.

    ``D d_j g = d_j F - (d_j D) g`` needs no symbolic inverse.
    """
    d_force = [force.applyfunc(lambda e, v=v: differentiate(e, v)) for v in variables]
    d_tensor = [tensor.applyfunc(lambda e, v=v: differentiate(e, v)) for v in variables]
    matrices = (force, tensor, *d_force, *d_tensor)
    everything = sp.Tuple(*(entry for m in matrices for entry in m))
    n = len(variables)
    tested = 0
    for point in random_points(everything, variables, 10 * POINTS):
        values = [value_at(m, point) for m in matrices]
        if any(m is None for m in values):
            continue
        f, d, *derivatives = (m for m in values if m is not None)
        if abs(d.det()) <= 1e-20 * d.norm() ** n:
            # A degenerate tensor has no inverse metric: no potential in the sense of this test.
            return False
        g = d.LUsolve(f)
        rows = [d.LUsolve(derivatives[j] - derivatives[n + j] * g) for j in range(n)]
        jacobian = sp.Matrix.hstack(*rows)
        if (jacobian - jacobian.T).norm() > RELATIVE * (jacobian.norm() + g.norm()):
            return False
        tested += 1
        if tested == POINTS:
            break
    if tested == 0:
        raise InvalidModel(
            "the drift or the tensor is no finite real number at any point tried with coordinates "
            "up to 100; assemble the operator on a grid of their domain"
        )
    return True


def _is_continuous(potential: sp.Expr, variables: Sequence[sp.Symbol]) -> bool:
    """Whether bisection towards the steepest part of random lines finds no jump.

    In more than one dimension the density is continuous wherever this module looks for a
    potential: in the isothermal form, and where only the force jumps.
    """
    if potential.has(sp.Integral):
        raise InvalidModel(
            "the coefficients jump and their potential has no closed form; assemble the operator"
        )
    points = list(random_points(potential, variables, POINTS))
    for start, stop in zip(points[::2], points[1::2], strict=True):
        line = [
            start | {v: start[v] + sp.Rational(k, 16) * (stop[v] - start[v]) for v in variables}
            for k in range(17)
        ]
        values = [value_at(sp.Matrix([potential]), point) for point in line]
        heights = [value[0] for value in values if value is not None]
        if len(heights) < len(line):
            continue
        rises = [abs(b - a) for a, b in pairwise(heights)]
        k = rises.index(max(rises))
        share = _rise_left(potential, variables, line[k], line[k + 1]) / (sum(rises) or 1)
        # A jump keeps its height while the segment shrinks; a pole grows beyond all bounds.
        if RELATIVE < share < 1 / RELATIVE:
            return False
    return True


def _rise_left(
    potential: sp.Expr, variables: Sequence[sp.Symbol], low: Point, high: Point
) -> sp.Expr:
    """Rise of the potential over what bisection towards the larger rise leaves of a segment."""
    column = sp.Matrix([potential])
    at_low, at_high = value_at(column, low), value_at(column, high)
    rise = sp.S.Zero
    for _ in range(BISECTIONS):
        middle = low | {v: (low[v] + high[v]) / 2 for v in variables}
        at_middle = value_at(column, middle)
        if at_low is None or at_high is None or at_middle is None:
            return sp.S.Zero
        if abs(at_middle[0] - at_low[0]) > abs(at_high[0] - at_middle[0]):
            high, at_high = middle, at_middle
        else:
            low, at_low = middle, at_middle
        rise = abs(at_high[0] - at_low[0])
    return rise
