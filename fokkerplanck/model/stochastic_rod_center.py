"""The staggered iterate of a loss that is not even: its centre, and its step averaged over two.

``theta_n = (c(s, y) + (-1)^n s, y)``: the centre c follows s and the slow variables y at once,
as it relaxes within a step.  Every formula is proved in derivations/17_noise_at_the_edge.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import sympy as sp

from fokkerplanck.model.symbols import differentiate

__all__ = ["Center", "averaged_step", "second_order"]

# Degree in s of the centre of a loss in one variable.  For w^2/2 + w^3/10 - w^4/8 it leaves 1e-3 of
# s at c' = 0.5; `StochasticRod.density_of_iterate` measures it.
DEGREE = 8


@dataclass(frozen=True)
class Center:
    """``c(s, y)`` of ``g(c + s, y) + g(c - s, y) = 0``, g the derivative across.

    Attributes
    ----------
    gradient : (d, 1)
        Of the loss, in `theta` and the slow variables.
    theta, s : Symbol
        The variable that alternates, and its staggered one.
    slow : tuple of Symbol
    row : int
        Of theta in `gradient`.
    even : bool
        Whether c is 0.
    """

    gradient: sp.ImmutableMatrix
    theta: sp.Symbol
    s: sp.Symbol
    slow: tuple[sp.Symbol, ...]
    row: int
    even: bool

    def mean(self, row: int) -> sp.Expr:
        """Half sum of an entry of the gradient over both ends."""
        return self._tidy((self._end(row, 1) + self._end(row, -1)) / 2)

    def half_difference(self, row: int) -> sp.Expr:
        """Half difference of it."""
        return self._tidy((self._end(row, 1) - self._end(row, -1)) / 2)

    def _end(self, row: int, sign: int) -> sp.Expr:
        return self.gradient[row].xreplace({self.theta: self.expression + sign * self.s})

    def _tidy(self, expression: sp.Expr) -> sp.Expr:
        return expression if self.even else sp.expand(expression)

    @cached_property
    def expression(self) -> sp.Expr:
        """c as an expression in s and y.

        In one variable its Taylor polynomial of degree `DEGREE` in s; beside slow variables one of
        Newton's steps from 0, exact to first order in c.
        """
        if self.even:
            return sp.S.Zero
        across = self.gradient[self.row]
        if not self.slow:
            return _series(across, self.theta, self.s)
        ends = [{self.theta: sign * self.s} for sign in (1, -1)]
        bend = differentiate(across, self.theta)
        balance = sum(across.xreplace(end) for end in ends)
        return -sp.expand(balance) / sp.expand(sum(bend.xreplace(end) for end in ends))

    @property
    def error(self) -> sp.Expr:
        """What one more of Newton's steps would take from c."""
        bend = differentiate(self.gradient[self.row], self.theta)
        ends = [{self.theta: self.expression + sign * self.s} for sign in (1, -1)]
        return 2 * self.mean(self.row) / sum(bend.xreplace(end) for end in ends)


def _series(slope: sp.Expr, theta: sp.Symbol, s: sp.Symbol) -> sp.Expr:
    """c to `DEGREE`, from the Taylor polynomial of the slope; every iteration adds two orders."""
    factors, derivative = [], slope
    for n in range(DEGREE + 1):
        factors.append(derivative.xreplace({theta: sp.S.Zero}) / sp.factorial(n))
        derivative = differentiate(derivative, theta)
    taylor = sum(f * theta**n for n, f in enumerate(factors))
    found: sp.Expr = sp.S.Zero
    for _ in range(DEGREE // 2):
        mean = sum(taylor.xreplace({theta: found + sign * s}) for sign in (1, -1)) / 2
        polynomial = sp.Poly(sp.expand(found - mean / factors[1]), s)
        found = sum(polynomial.coeff_monomial(s**n) * s**n for n in range(2, DEGREE + 1, 2))
    return found


def averaged_step(
    center: Center, eta: sp.Expr, covariance: sp.MatrixBase
) -> tuple[sp.Matrix, sp.Matrix, sp.Matrix]:
    """Plain step, drift and covariance of (s, y) in one step, to first order.

    `covariance` is that of a step, constant, theta first.  The plain step is ``b = (eta (g+ -
    g-)/2 - 2 s, -eta (h+ + h-)/2)``, h the slow gradient.  At even and odd steps theta is ``c + s``
    and ``c - s``, whose small changes make other ones of s; their means over the two are returned.
    """
    rows = [i for i in range(center.gradient.rows) if i != center.row]
    plain = [eta * center.half_difference(center.row) - 2 * center.s]
    plain += [-eta * center.mean(row) for row in rows]
    if center.even:
        crossed = sp.Matrix(covariance)
        crossed[0, 1:] = sp.zeros(1, len(rows))
        crossed[1:, 0] = sp.zeros(len(rows), 1)
        return sp.Matrix(plain), sp.Matrix(plain), crossed
    slope = differentiate(center.expression, center.s)
    tilt = sp.Matrix(len(rows), 1, [differentiate(center.expression, v) for v in center.slow])
    slow_covariance = covariance[1:, 1:]
    # theta - c(y), of which s is made, meets C_s at either step; its sign alternates against y's.
    mixed = slow_covariance * tilt - covariance[1:, 0]
    spread = covariance[0, 0] - 2 * (tilt.T * covariance[1:, 0])[0]
    spread += (tilt.T * slow_covariance * tilt)[0]
    variables = (center.s, *center.slow)
    bend = sp.Matrix(
        len(variables),
        len(variables),
        lambda i, j: differentiate(center.expression, variables[i], variables[j]),
    )
    drift, variance, crossing = sp.S.Zero, sp.S.Zero, sp.zeros(len(rows), 1)
    for sign in (1, -1):
        inverse = 1 / (1 - sign * slope)
        own = sp.zeros(len(variables))
        own[0, 0] = spread * inverse**2
        own[1:, 0] = sign * mixed * inverse
        own[0, 1:] = own[1:, 0].T
        own[1:, 1:] = slow_covariance
        followed = (tilt.T * sp.Matrix(len(rows), 1, plain[1:]))[0]
        drift += inverse * (plain[0] + sign * (followed + (bend * own).trace() / 2)) / 2
        variance += own[0, 0] / 2
        crossing += own[1:, 0] / 2
    total = sp.Matrix(covariance)
    total[0, 0], total[1:, 0], total[0, 1:] = variance, crossing, crossing.T
    return sp.Matrix(plain), sp.Matrix([drift, *plain[1:]]), total


def second_order(
    plain: sp.Matrix, drift: sp.Matrix, covariance: sp.Matrix, variables: Sequence[sp.Symbol]
) -> tuple[sp.Matrix, sp.Matrix]:
    """Drift and covariance of the order-2 equation: ``b - ((b . grad) b + a : grad grad b/2)/2``.

    The covariance is ``(1 - J/2) a (1 - J/2)^T`` with J the Jacobian of the plain step.
    """
    size = len(variables)
    jacobian = sp.Matrix(size, size, lambda i, j: differentiate(plain[i], variables[j]))
    change = jacobian * plain
    for i in range(size):
        for j in range(size):
            for k in range(size):
                if covariance[j, k] != 0:
                    bend = differentiate(jacobian[i, j], variables[k])
                    change[i] += covariance[j, k] * bend / 2
    stretch = sp.eye(size) - jacobian / 2
    return drift - change / 2, stretch * covariance * stretch.T
