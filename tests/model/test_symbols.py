"""Calculus on real stand-ins."""

from __future__ import annotations

import pytest
import sympy as sp

from fokkerplanck.errors import InvalidModel
from fokkerplanck.model.symbols import (
    as_column,
    differentiate,
    divergence,
    gradient,
    has_jumps,
    hessian,
)

x, y = sp.symbols("x y")
r = sp.Symbol("r", real=True)


def test_derivatives_come_back_in_the_symbols_given() -> None:
    assert differentiate(sp.Abs(x) * y, x).free_symbols == {x, y}
    assert differentiate(sp.Abs(x) * y, x) == y * sp.sign(x)
    assert differentiate(sp.conjugate(x) ** 2, x) == 2 * x


def test_bends_leave_no_delta() -> None:
    assert differentiate(sp.Abs(r) ** 3, r, r).subs(r, -2) == 12
    assert differentiate(sp.Abs(r), r, r) == 0
    assert differentiate(sp.Heaviside(r) * r**2, r) == 2 * r * sp.Heaviside(r)
    assert differentiate(sp.Max(r, 0) ** 2, r, r, r) == 0


def test_hessian_is_symmetric_and_complete() -> None:
    loss = sp.exp(x * y) + x**3
    wanted = sp.Matrix([[sp.diff(loss, a, b) for b in (x, y)] for a in (x, y)])
    assert sp.simplify(hessian(loss, (x, y)) - wanted) == sp.zeros(2)
    assert hessian(loss, (x, y)).is_symmetric()
    assert list(gradient(loss, (x, y))) == [sp.diff(loss, x), sp.diff(loss, y)]


def test_divergence_is_that_of_the_rows() -> None:
    assert list(divergence(sp.Matrix([[x**2, y], [x * y, y**3]]), (x, y))) == [
        2 * x + 1,
        y + 3 * y**2,
    ]


@pytest.mark.parametrize("bent", [sp.Abs(r), sp.Max(r, 0), sp.sign(r), sp.Heaviside(r)])
def test_jumps_are_seen_in_variables_only(bent: sp.Expr) -> None:
    assert has_jumps(sp.Matrix([[1, bent + 1]]), (r,))
    assert not has_jumps(sp.Matrix([[1, bent + 1]]), (y,))
    assert not has_jumps(sp.Matrix([[sp.tanh(r)]]), (r,))


def test_undefined_functions_are_refused() -> None:
    with pytest.raises(InvalidModel, match="undefined function"):
        as_column([sp.Function("f")(x)], 1, "the drift")
