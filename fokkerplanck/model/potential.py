"""The potential of a detailed-balance diffusion, in closed form where SymPy finds one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import sympy as sp

from fokkerplanck.model.symbols import differentiate, match_names

__all__ = ["find_potential"]

# Mixed partial derivatives that agree to this relative accuracy count as equal: parameters are
# often floats with 16 digits, and their products cancel to a few units less.
RELATIVE = 1e-9
POINTS = 6


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
    """
    # Integration is cleaner, and Abs differentiates at all, on real symbols.
    real = [sp.Symbol(v.name, real=True) for v in variables]
    back = dict(zip(real, variables, strict=True))
    force, tensor = (m.applyfunc(lambda e: match_names(e, real)) for m in (force, tensor))
    if len(real) > 1 and not _is_curl_free(force, tensor, real):
        return None
    slope = _solve(tensor, -force)
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
    return varying.xreplace(back)


def _solve(tensor: sp.MatrixBase, right: sp.MatrixBase) -> sp.Matrix:
    if tensor.is_diagonal():
        return sp.Matrix([r / tensor[i, i] for i, r in enumerate(right)])
    return sp.Matrix(tensor).adjugate() * right / sp.Matrix(tensor).det()


def _line_integral(slope: sp.MatrixBase, variables: Sequence[sp.Symbol]) -> sp.Expr:
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
    parameters = sorted(
        (force.free_symbols | tensor.free_symbols) - set(variables), key=lambda s: str(s.name)
    )
    rng = np.random.default_rng(20230609)
    tested = 0
    for _ in range(20 * POINTS):
        point = {v: sp.Float(float(rng.uniform(-1, 1)), 30) for v in variables}
        point |= {p: sp.Float(float(rng.uniform(0.5, 1.5)), 30) for p in parameters}
        values = [_at(m, point) for m in (force, tensor, *d_force, *d_tensor)]
        if any(m is None for m in values):
            continue
        f, d, *derivatives = (m for m in values if m is not None)
        if abs(d.det()) < 1e-20 * (1 + abs(d.norm())) ** len(variables):
            # A degenerate tensor has no inverse metric: no potential in the sense of this test.
            return False
        n = len(variables)
        g = d.LUsolve(f)
        rows = [d.LUsolve(derivatives[j] - derivatives[n + j] * g) for j in range(n)]
        jacobian = sp.Matrix.hstack(*rows)
        if (jacobian - jacobian.T).norm() > RELATIVE * (jacobian.norm() + g.norm()):
            return False
        tested += 1
        if tested == POINTS:
            return True
    return False


def _at(matrix: sp.MatrixBase, point: dict[sp.Symbol, sp.Float]) -> sp.Matrix | None:
    """Numbers at a point, None outside the domain of a logarithm or a root."""
    value = sp.Matrix(matrix).xreplace(point).evalf(30)
    if all(entry.is_number and entry.is_real and entry.is_finite for entry in value):
        return value
    return None
