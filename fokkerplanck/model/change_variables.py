"""Functions of the variables as new variables: Itô's formula, in each convention's own form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sympy as sp

from fokkerplanck.errors import InvalidModel
from fokkerplanck.model.coordinates import CoordinateMap, shown
from fokkerplanck.model.points import DIGITS, POINTS, equal_at, random_points, value_at
from fokkerplanck.model.symbols import differentiate, gradient, hessian, match_names

if TYPE_CHECKING:
    from fokkerplanck.model.diffusion import Diffusion

__all__ = ["change_variables"]

Substitution = dict[sp.Symbol, sp.Expr]


def change_variables(
    diffusion: Diffusion,
    new_variables: Any,
    expressions: Any,
    inverse: Mapping[Any, Any] | None = None,
) -> Diffusion:
    r"""The diffusion of ``y = f(x, t)``, given by `expressions` of the old variables.

    With the Jacobian ``J = df/dx`` the tensor becomes ``J D J^T``, and each convention keeps its
    form:

    - Itô: ``A_a -> d_t f_a + J_ai A_i + D_ij d_i d_j f_a`` (Itô's formula);
    - Stratonovich: ``a -> d_t f + J a``, ``B -> J B`` (the chain rule);
    - isothermal: ``F -> d_t f + J (F - D grad ln |det J|)``, as ``p -> p/|det J|``.

    None of them differentiates ``D``, so jumps stay right.

    Parameters
    ----------
    new_variables : sequence of Symbol, length m <= d
        Names may be those of old variables.
    expressions : vector of expressions, length m
        Smooth functions of the old variables and of time.
    inverse : mapping of old variable to expression of the new ones, optional
        Where SymPy cannot solve for the old variables, or to choose one of several branches.

    Returns
    -------
    Diffusion
        In the convention of the old one; a projection (m < d) of an isothermal form is Itô.

    Raises
    ------
    InvalidModel
        When the new variables are not smooth, depend on each other, or bear the name of a
        parameter; when the new coefficients are no functions of the new variables alone, because a
        projection does not close or the branches of the inverse differ; when no inverse is found
        or `inverse` is none; when the tensor is clipped, which depends on the coordinates.

    Warns
    -----
    FokkerPlanckWarning
        When the determinant of the Jacobian is not shown to have no zero: where it vanishes the
        density of the new variables is infinite.

    Notes
    -----
    Functions that are not one to one are allowed where all branches give the same coefficients:
    the image is then a Markov process by itself.  That, and that a projection closes, is tested to
    15 digits at random points.

    Source: C. W. Gardiner, Stochastic Methods, 4th ed. (2009), sections 4.3.3 and 4.4.

    Examples
    --------
    >>> import sympy as sp, fokkerplanck as fpk
    >>> x, z = sp.symbols("x z", real=True)
    >>> price = sp.Symbol("price", positive=True)
    >>> geometric = fpk.Diffusion((price,), [2 * price], [[price**2 / 2]])
    >>> geometric.change_variables((z,), [sp.log(price)]).drift
    Matrix([[3/2]])

    The square of an Ornstein–Uhlenbeck process is a diffusion, whatever the sign of x:

    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore"):
    ...     square = fpk.Diffusion((x,), [-x], [[1]]).change_variables((z,), [x**2])
    >>> square.drift, square.tensor
    (Matrix([[2 - 2*z]]), Matrix([[4*z]]))
    """
    if diffusion.negative == "clip":
        raise InvalidModel(
            "the tensor is clipped to its positive part numerically, which depends on the "
            "coordinates: change the variables of the loss before the noise is clipped"
        )
    change = CoordinateMap.read(diffusion, new_variables, expressions)
    entries = [
        _with_digits(match_names(entry, change.known), DIGITS)
        for entry in _coefficients(diffusion, change)
    ]
    if inverse is None:
        values = _by_solving(entries, change)
    else:
        values = _by_inverse(entries, change, inverse)
    back = dict(zip(change.new, change.names, strict=True))
    doubles = [_with_digits(value.xreplace(back), 15) for value in values]
    return _rebuilt(diffusion, doubles, change)


def _with_digits(expression: sp.Expr, digits: int) -> sp.Expr:
    """Numbers as they are, in longer or shorter floats: those of 15 digits would add errors up."""
    floats = expression.atoms(sp.Float)
    return expression.xreplace({number: sp.Float(number, digits) for number in floats})


def _coefficients(diffusion: Diffusion, change: CoordinateMap) -> list[sp.Expr]:
    """Entries of the new drift, then of the new tensor or noise matrix, in the old variables."""
    jacobian = change.jacobian
    explicit = sp.zeros(len(change.new), 1)
    if change.time is not None:
        explicit = sp.Matrix(change.map.applyfunc(lambda f: differentiate(f, change.time)))

    def in_old(matrix: sp.MatrixBase) -> sp.Matrix:
        return sp.Matrix(matrix.applyfunc(lambda entry: match_names(entry, change.old)))

    if diffusion.convention == "stratonovich":
        assert diffusion.noise_matrix is not None
        drift = jacobian * in_old(diffusion.given) + explicit
        return [*drift, *(jacobian * in_old(diffusion.noise_matrix))]
    tensor = in_old(diffusion.tensor)
    if diffusion.convention == "isothermal" and change.square:
        determinant = jacobian.det()
        tilt = sp.Matrix(gradient(determinant, change.old)) / determinant
        drift = jacobian * (in_old(diffusion.given) - tensor * tilt) + explicit
    else:
        if diffusion.convention == "isothermal" and diffusion.jumps:
            raise InvalidModel(
                "the tensor jumps: its isothermal form has no Itô drift to project; give as many "
                "new variables as old ones"
            )
        bend = [(tensor * hessian(f, change.old)).trace() for f in change.map]
        drift = jacobian * in_old(diffusion.drift) + sp.Matrix(bend) + explicit
    return [*drift, *(jacobian * tensor * jacobian.T)]


def _by_solving(entries: Sequence[sp.Expr], change: CoordinateMap) -> list[sp.Expr]:
    """Coefficients in the new variables; the first branch that holds on all of the old domain."""
    equations = [f - y for f, y in zip(change.map, change.new, strict=True)]
    try:
        branches = sp.solve(equations, change.old, dict=True)
    except NotImplementedError:
        branches = []
    if not branches:
        raise InvalidModel(
            f"SymPy does not solve {shown(change.map)} for {shown(change.old)}; give "
            f"inverse={{{', '.join(f'{v.name}: ...' for v in change.old)}}}"
        )
    failed = ""
    for branch in branches:
        values = _substituted(entries, branch, change)
        failed = _first_difference(entries, values, change)
        if not failed:
            return values
    cure = (
        "choose one with inverse=..., or declare the signs of the old variables"
        if change.square
        else "keep more variables"
    )
    raise InvalidModel(
        f"the new coefficients are no functions of {shown(change.new)} alone, in "
        f"{len(branches)} branch(es) of the inverse: {failed}; {cure}"
    )


def _by_inverse(
    entries: Sequence[sp.Expr], change: CoordinateMap, inverse: Mapping[Any, Any]
) -> list[sp.Expr]:
    by_name = {str(key): value for key, value in inverse.items()}
    if set(by_name) != {v.name for v in change.old}:
        raise InvalidModel(
            f"inverse gives {sorted(by_name)}; it needs {[v.name for v in change.old]}"
        )
    known = change.new if change.time is None else (*change.new, change.time)
    branch = {v: match_names(by_name[v.name], known) for v in change.old}
    residual = sp.Matrix(change.map.xreplace(branch)) - sp.Matrix(change.new)
    # On an interval of a periodic coordinate, or one side of zero, it need not hold elsewhere.
    passed = sum(
        value is not None and equal_at(value, sp.zeros(*value.shape))
        for value in (value_at(residual, p) for p in random_points(residual, known, POINTS))
    )
    if passed < 2:
        raise InvalidModel(
            f"inverse is none: with {by_name} the expressions {shown(change.map)} do not give "
            f"back {shown(change.new)} at random points"
        )
    values = _substituted(entries, branch, change)
    if not change.square and (failed := _first_difference(entries, values, change)):
        raise InvalidModel(
            f"the new coefficients are no functions of {shown(change.new)} alone: {failed}; "
            "keep more variables"
        )
    return values


def _substituted(
    entries: Sequence[sp.Expr], branch: Substitution, change: CoordinateMap
) -> list[sp.Expr]:
    """Entries in the new variables; old ones that stay can take any value if the result closes."""
    values = [sp.simplify(entry.xreplace(branch)) for entry in entries]
    left = dict.fromkeys(change.old, sp.S.One)
    return [
        sp.simplify(value.xreplace(left)) if value.free_symbols & set(left) else value
        for value in values
    ]


def _first_difference(
    entries: Sequence[sp.Expr], values: Sequence[sp.Expr], change: CoordinateMap
) -> str:
    """Where the coefficients differ from their form in the new variables; empty if nowhere."""
    forward = dict(zip(change.new, change.map, strict=True))
    pulled_back = [value.xreplace(forward) for value in values]
    tested = 0
    for point in random_points(sp.Tuple(*entries, *pulled_back), change.known, 10 * POINTS):
        expected = value_at(sp.Matrix(entries), point)
        if expected is None:
            continue
        found = value_at(sp.Matrix(pulled_back), point)
        if found is None or not equal_at(expected, found):
            place = ", ".join(f"{v.name} = {sp.N(point[v], 4)}" for v in change.old)
            shown = "nothing real" if found is None else [sp.N(e, 4) for e in found]
            return f"{[sp.N(e, 4) for e in expected]} became {shown} at {place}"
        tested += 1
        if tested == POINTS:
            return ""
    return "no finite real value at any point tried with coordinates up to 100"


def _rebuilt(diffusion: Diffusion, values: Sequence[sp.Expr], change: CoordinateMap) -> Diffusion:
    size = len(change.names)
    drift, rest = values[:size], sp.Matrix(size, -1 + len(values) // size, list(values[size:]))
    if diffusion.convention == "stratonovich":
        return diffusion.from_stratonovich(change.names, drift, rest, time=change.time)
    if diffusion.convention == "isothermal" and change.square:
        return diffusion.from_isothermal(change.names, drift, rest, time=change.time)
    return type(diffusion)(change.names, drift, rest, time=change.time)
