"""What the derivations of two valleys share: symbols, the model, pieces and limits of formulas."""

from __future__ import annotations

import sympy as sp

from fokkerplanck.systems.two_valley import TwoValley

x = sp.Symbol("x", real=True)
Delta, z, v, f1, f2, g1, g2 = sp.symbols("Delta_S z v f1 f2 g1 g2", positive=True)
x0, x1, x2, f0, y_f, y_b, y_d, L_d, y = sp.symbols("x0 x1 x2 f0 y_f y_b y_d L_d y", positive=True)
CONVENTIONS = ("ito", "stratonovich", "isothermal")
valley = TwoValley(f0, x0, x1, x2, y_f, y_b, y_d, L_d, Delta, variables=(x, y))

VALLEY = "fokkerplanck.systems.two_valley.TwoValley"


def sides(expression: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """The pieces of an expression at x > 0 and x < 0."""
    flat, sharp = (
        expression.replace(sp.Piecewise, lambda *pieces, i=i: pieces[i][0]) for i in range(2)
    )
    return flat, sharp


def dawson_limit(expression: sp.Expr) -> sp.Expr:
    """Put ``e^(z^2)/(sqrt(pi) z)``, to which it tends, for every ``erfi(z)``."""
    assert sp.limit(sp.erfi(z) * sp.exp(-(z**2)) * z, z, sp.oo) == 1 / sp.sqrt(sp.pi)
    return sp.simplify(expression.replace(sp.erfi, lambda a: sp.exp(a**2) / (sp.sqrt(sp.pi) * a)))
