"""Matching symbols by name, and calculus on real symbols whatever the user declared.

``Symbol("x")`` and ``Symbol("x", real=True)`` are different objects to SymPy, and derivatives
of ``Abs(Symbol("x"))`` are full of ``re`` and ``im``.  Models therefore match the user's symbols
by name and differentiate on real stand-ins.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.utilities.exceptions import SymPyDeprecationWarning

from fokkerplanck.errors import InvalidModel

__all__ = [
    "BENDING",
    "JUMPING",
    "as_column",
    "as_square",
    "as_variables",
    "differentiate",
    "divergence",
    "gradient",
    "has_jumps",
    "hessian",
    "match_names",
    "noise_induced_drift",
    "replacements",
]

# Functions whose value jumps, and those whose slope does: SymPy differentiates the former as if the
# jump were not there.
JUMPING = (sp.Piecewise, sp.Heaviside, sp.sign, sp.floor, sp.ceiling)
BENDING = (sp.Max, sp.Min, sp.Abs)


def match_names(expression: Any, symbols: Sequence[sp.Symbol]) -> sp.Expr:
    """Replace every free symbol that bears the name of one of `symbols` by that one.

    Examples
    --------
    >>> import sympy as sp
    >>> x = sp.Symbol("x", real=True)
    >>> match_names(sp.Symbol("x") ** 2, [x]).free_symbols == {x}
    True
    """
    expression = sp.sympify(expression)
    wanted = {symbol.name: symbol for symbol in symbols}
    renamed = {
        symbol: wanted[symbol.name]
        for symbol in expression.free_symbols
        if symbol.name in wanted and symbol != wanted[symbol.name]
    }
    return expression.xreplace(renamed) if renamed else expression


def replacements(
    substitution: Mapping[Any, Any], free: Iterable[sp.Symbol]
) -> dict[sp.Symbol, sp.Expr]:
    """Turn ``{symbol or name: value}`` into a mapping of the free symbols of those names.

    Raises
    ------
    InvalidModel
        When a key is no symbol and no name.  Names that do not occur are ignored, as SymPy does.
    """
    by_name: dict[str, sp.Expr] = {}
    for key, value in substitution.items():
        if not isinstance(key, (str, sp.Symbol)):
            raise InvalidModel(f"subs takes symbols or their names as keys, not {key!r}")
        by_name[str(key)] = sp.sympify(value)
    return {symbol: by_name[symbol.name] for symbol in free if symbol.name in by_name}


def _real_stand_ins(expression: sp.Basic) -> dict[sp.Symbol, sp.Dummy]:
    return {
        symbol: sp.Dummy(symbol.name, real=True)
        for symbol in expression.free_symbols
        if symbol.is_real is None
    }


def differentiate(expression: Any, *symbols: sp.Symbol) -> sp.Expr:
    """Partial derivative, away from jumps, with every symbol taken as real.

    Examples
    --------
    >>> import sympy as sp
    >>> x = sp.Symbol("x")
    >>> differentiate(sp.Abs(x), x)
    sign(x)
    """
    expression = sp.sympify(expression)
    stand_ins = _real_stand_ins(expression)
    back = {dummy: symbol for symbol, dummy in stand_ins.items()}
    derivative = expression.xreplace(stand_ins)
    for symbol in symbols:
        derivative = sp.diff(derivative, stand_ins.get(symbol, symbol))
    # SymPy drops the delta where a Piecewise jumps and writes it where Abs or Max bends.
    deltas = derivative.atoms(sp.DiracDelta)
    return derivative.xreplace({**back, **dict.fromkeys(deltas, sp.S.Zero)})


def gradient(expression: Any, variables: Sequence[sp.Symbol]) -> sp.ImmutableMatrix:
    """Column of first derivatives."""
    return sp.ImmutableMatrix([differentiate(expression, v) for v in variables])


def hessian(expression: Any, variables: Sequence[sp.Symbol]) -> sp.ImmutableMatrix:
    """Symmetric matrix of second derivatives."""
    first = gradient(expression, variables)
    n = len(variables)
    upper = {(i, j): differentiate(first[i], variables[j]) for i in range(n) for j in range(i, n)}
    return sp.ImmutableMatrix(n, n, lambda i, j: upper[min(i, j), max(i, j)])


def divergence(tensor: sp.MatrixBase, variables: Sequence[sp.Symbol]) -> sp.ImmutableMatrix:
    """Row-wise divergence, the vector ``d_j T_ij``."""
    return sp.ImmutableMatrix(
        [
            sum((differentiate(tensor[i, j], v) for j, v in enumerate(variables)), sp.S.Zero)
            for i in range(tensor.rows)
        ]
    )


def noise_induced_drift(
    noise_matrix: sp.MatrixBase, variables: Sequence[sp.Symbol]
) -> sp.ImmutableMatrix:
    """Vector ``B_jk d_j B_ik / 2``, what the Itô drift has beyond the Stratonovich drift."""
    return sp.ImmutableMatrix(
        [
            sum(
                (
                    noise_matrix[j, k] * differentiate(noise_matrix[i, k], v) / 2
                    for j, v in enumerate(variables)
                    for k in range(noise_matrix.cols)
                ),
                sp.S.Zero,
            )
            for i in range(len(variables))
        ]
    )


def has_jumps(expression: sp.Basic, variables: Sequence[sp.Symbol], *, bends: bool = True) -> bool:
    """Whether a function that jumps, or bends, is applied to one of `variables`.

    Without `bends`, whether one jumps; a quotient such as ``Abs(x)/x`` hides its jump: write
    ``sign(x)``.
    """
    names = set(variables)
    functions = (*JUMPING, *BENDING) if bends else JUMPING
    return any(names & node.free_symbols for node in expression.atoms(*functions))


def as_variables(variables: Any) -> tuple[sp.Symbol, ...]:
    """A tuple of distinct symbols.

    Raises
    ------
    InvalidModel
        When there is none, one is no symbol, or two share a name.
    """
    given = (variables,) if isinstance(variables, sp.Symbol) else tuple(variables)
    if not given or not all(isinstance(v, sp.Symbol) for v in given):
        raise InvalidModel(f"variables must be one or more SymPy symbols, not {variables!r}")
    names = [v.name for v in given]
    if len(set(names)) < len(names):
        raise InvalidModel(f"two variables share a name: {names}")
    return given


def _entries(value: Any) -> sp.ImmutableMatrix:
    try:
        nested = value if isinstance(value, sp.MatrixBase) else sp.sympify(value)
        with warnings.catch_warnings():
            # Entries that are no expressions are refused below, in words of this package.
            warnings.simplefilter("ignore", SymPyDeprecationWarning)
            matrix = sp.ImmutableMatrix(nested)
    except (TypeError, ValueError, sp.SympifyError, AttributeError) as error:
        raise InvalidModel(f"not a vector or matrix of expressions: {value!r}") from error
    for entry in matrix:
        if not isinstance(entry, sp.Expr):
            raise InvalidModel(f"{entry!r} is no expression, in {value!r}")
        if entry.atoms(AppliedUndef):
            raise InvalidModel(f"{entry} contains an undefined function; give an expression")
    return matrix


def as_column(value: Any, length: int, name: str) -> sp.ImmutableMatrix:
    """A column of `length` expressions from any nested sequence, array or SymPy matrix."""
    if (
        length == 1
        and not isinstance(value, (sp.MatrixBase, Sequence))
        and not hasattr(value, "__len__")
    ):
        value = [value]
    column = _entries(value)
    if column.rows * column.cols != length or min(column.shape) != 1:
        raise InvalidModel(
            f"{name} has shape {column.shape}; it needs one entry for each of the {length} "
            "variables"
        )
    return sp.ImmutableMatrix(length, 1, list(column))


def as_square(value: Any, size: int, name: str) -> sp.ImmutableMatrix:
    """A symmetric matrix of expressions from any nested sequence, array or SymPy matrix.

    Raises
    ------
    InvalidModel
        When the shape is not ``(size, size)``, or two mirrored entries differ.
    """
    if (
        size == 1
        and not isinstance(value, (sp.MatrixBase, Sequence))
        and not hasattr(value, "__len__")
    ):
        value = [[value]]
    matrix = _entries(value)
    if matrix.shape != (size, size):
        raise InvalidModel(f"{name} has shape {matrix.shape}; it needs ({size}, {size})")
    for i in range(size):
        for j in range(i):
            if matrix[i, j] != matrix[j, i] and not _equal(matrix[i, j], matrix[j, i]):
                raise InvalidModel(
                    f"{name} is not symmetric: entry ({i}, {j}) is {matrix[i, j]}, "
                    f"entry ({j}, {i}) is {matrix[j, i]}"
                )
    return matrix


def _equal(left: sp.Expr, right: sp.Expr) -> bool:
    difference = sp.expand(left - right)
    if difference == 0:
        return True
    # Floats that mirror each other up to the rounding of whoever computed them.
    coefficients = difference.as_coefficients_dict().values()
    size = sum(abs(c) for c in sp.expand(left).as_coefficients_dict().values())
    if max(map(abs, coefficients)) <= 1e-12 * size:
        return True
    return bool(sp.simplify(difference) == 0)
