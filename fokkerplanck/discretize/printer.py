"""SymPy expressions as lines of Python that numba compiles to scalar machine code."""

from __future__ import annotations

import math
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.printing.codeprinter import PrintMethodNotImplementedError
from sympy.printing.pycode import PythonCodePrinter

from fokkerplanck.errors import InvalidModel

__all__ = ["print_expression", "require_printable"]

# Functions without a counterpart in `math`, written by those that have one.
REWRITTEN = {
    sp.sec: sp.cos,
    sp.csc: sp.sin,
    sp.cot: sp.tan,
    sp.sech: sp.cosh,
    sp.csch: sp.sinh,
    sp.coth: sp.tanh,
}
HALF = sp.Rational(1, 2)


class _Printer(PythonCodePrinter):  # type: ignore[misc]
    """Every number is a double, every power of small integers a product.

    SymPy's own printer leaves a `Piecewise` without default as None, `sign(0)` as 1, and integers
    that overflow 64 bits.
    """

    def __init__(self) -> None:
        super().__init__({"fully_qualified_modules": True, "strict": True})

    def _print_Number(self, expr: sp.Number) -> str:
        value = float(expr)
        if math.isinf(value):
            raise OverflowError
        return repr(value) if value >= 0 else f"({value!r})"

    _print_Integer = _print_Rational = _print_Float = _print_Number
    _print_Zero = _print_One = _print_NegativeOne = _print_Half = _print_Number
    _print_NumberSymbol = _print_Exp1 = _print_Pi = _print_Number

    def _print_Symbol(self, expr: sp.Symbol) -> str:
        return str(expr.name)

    _print_Dummy = _print_Symbol

    def _print_Pow(self, expr: sp.Pow, rational: bool = False) -> str:
        base, exponent = self._print(expr.base), expr.exp
        if not expr.base.is_Atom:
            base = f"({base})"
        if exponent.is_Rational and exponent < 0:
            return f"(1.0/({self._print(expr.base**-exponent)}))"
        if exponent.is_Integer:
            # numba turns a literal integer power into multiplications.
            return f"{base}**{int(exponent)}"
        if exponent == HALF:
            return f"math.sqrt({base})"
        if (2 * exponent).is_Integer:
            return f"(({self._print(expr.base ** (exponent - HALF))})*math.sqrt({base}))"
        return f"{base}**({self._print(exponent)})"

    def _print_Piecewise(self, expr: sp.Piecewise) -> str:
        text = "math.nan"
        for value, condition in reversed(expr.args):
            shown = self._print(value)
            text = (
                shown
                if condition == sp.true
                else f"({shown} if {self._print(condition)} else {text})"
            )
        return f"({text})"

    def _print_sign(self, expr: sp.sign) -> str:
        x = self._print(expr.args[0])
        return f"(1.0 if {x} > 0.0 else (-1.0 if {x} < 0.0 else 0.0))"

    def _print_Heaviside(self, expr: sp.Heaviside) -> str:
        x, at_zero = (self._print(a) for a in expr.args)
        return f"(1.0 if {x} > 0.0 else (0.0 if {x} < 0.0 else {at_zero}))"

    def _print_extremum(self, name: str, expr: sp.Expr) -> str:
        first, *others = (str(self._print(a)) for a in expr.args)
        for other in others:
            first = f"{name}({first}, {other})"
        return first

    def _print_Max(self, expr: sp.Max) -> str:
        return self._print_extremum("max", expr)

    def _print_Min(self, expr: sp.Min) -> str:
        return self._print_extremum("min", expr)

    def _print_floor(self, expr: sp.floor) -> str:
        # math.floor would give a 64-bit integer, which overflows.
        return f"np.floor({self._print(expr.args[0])})"

    def _print_ceiling(self, expr: sp.ceiling) -> str:
        return f"np.ceil({self._print(expr.args[0])})"

    def _print_reciprocal(self, expr: sp.Function) -> str:
        denominator = REWRITTEN[expr.func](expr.args[0])
        return f"(1.0/{self._print(denominator)})"

    _print_sec = _print_csc = _print_cot = _print_reciprocal
    _print_sech = _print_csch = _print_coth = _print_reciprocal


def require_printable(expression: sp.Expr) -> None:
    """Refuse what stands for no real number: undefined functions, deltas, complex constants.

    Raises
    ------
    InvalidModel
    """
    undefined = sorted(str(call) for call in expression.atoms(AppliedUndef))
    if undefined:
        raise InvalidModel(
            f"{', '.join(undefined)}: an undefined function has no value; give an expression"
        )
    if expression.has(sp.DiracDelta):
        raise InvalidModel(
            f"{expression} contains a delta function, the derivative of a jump; smooth the jump, "
            "or give the coefficients in the convention in which no such derivative occurs"
        )
    if expression.has(sp.I, sp.oo, -sp.oo, sp.zoo, sp.nan):
        raise InvalidModel(f"{expression} is not a finite real expression")


def print_expression(expression: Any) -> str:
    """One expression as Python source.

    Raises
    ------
    InvalidModel
        When a function of it has no compiled form.

    Examples
    --------
    >>> import sympy as sp
    >>> x = sp.Symbol("x")
    >>> print_expression(sp.Piecewise((x**2, x < 0), (sp.sqrt(x), True)))
    '((x**2 if (x < 0.0) else math.sqrt(x)))'
    """
    try:
        text = _Printer().doprint(expression)
    except PrintMethodNotImplementedError as error:
        raise InvalidModel(
            f"{expression} has no compiled form ({error}); rewrite it in elementary functions"
        ) from None
    except OverflowError:
        raise InvalidModel(f"{expression} contains a number beyond the range of doubles") from None
    return str(text)
