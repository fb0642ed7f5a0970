"""New variables as functions of old ones: distinct stand-ins for both, and the Jacobian."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sympy as sp

from fokkerplanck.errors import FokkerPlanckWarning, InvalidModel
from fokkerplanck.model.symbols import (
    as_column,
    as_variables,
    differentiate,
    has_jumps,
    match_names,
)

if TYPE_CHECKING:
    from fokkerplanck.model.diffusion import Diffusion

__all__ = ["CoordinateMap", "shown"]


@dataclass(frozen=True)
class CoordinateMap:
    """Old and new variables as distinct real stand-ins, and the map from one to the other.

    Attributes
    ----------
    old, new : tuple of Dummy
        Stand-ins with the assumptions of the user's symbols, real at least.
    names : tuple of Symbol
        The new variables as the user gave them.
    map : column of expressions of `old` and `time`
    """

    old: tuple[sp.Symbol, ...]
    new: tuple[sp.Symbol, ...]
    names: tuple[sp.Symbol, ...]
    map: sp.ImmutableMatrix
    time: sp.Symbol | None

    @classmethod
    def read(cls, diffusion: Diffusion, new_variables: Any, expressions: Any) -> CoordinateMap:
        names = as_variables(new_variables)
        taken = {p.name for p in (*diffusion.parameters, diffusion.time) if p is not None}
        if shared := sorted(taken & {v.name for v in names}):
            raise InvalidModel(f"{shared} name new variables and parameters or time; rename one")
        if len(names) > diffusion.dimension:
            raise InvalidModel(
                f"{len(names)} new variables for {diffusion.dimension} old ones depend on each "
                "other; leave some out"
            )
        old = tuple(_stand_in(v) for v in diffusion.variables)
        time = (diffusion.time,) if diffusion.time is not None else ()
        column = as_column(expressions, len(names), "the vector of new variables")
        column = column.applyfunc(lambda entry: match_names(entry, (*old, *time)))
        if has_jumps(column, old):
            raise InvalidModel(
                f"{shown(column)} bend or jump: Itô's formula would gain a local time there; "
                "change variables on each side, or smooth them"
            )
        new = tuple(_stand_in(v) for v in names)
        change = cls(old, new, names, column, diffusion.time)
        change.check()
        return change

    def check(self) -> None:
        """Refuse dependent new variables, announce a determinant that may vanish."""
        jacobian = self.jacobian
        gram = jacobian if self.square else jacobian * jacobian.T
        determinant = sp.simplify(gram.det())
        if determinant.equals(0):
            raise InvalidModel(
                f"the new variables {shown(self.map)} depend on each other: the determinant of "
                "their Jacobian vanishes everywhere"
            )
        numerator = sp.fraction(sp.together(determinant))[0]
        if not self.square or numerator.is_nonzero or _has_no_root(numerator, self.old):
            return
        warnings.warn(
            f"the Jacobian's determinant {shown(determinant)} may vanish: the new density is "
            "infinite there; keep the grid away from it, or declare the signs of the variables",
            FokkerPlanckWarning,
            stacklevel=5,
        )

    @property
    def known(self) -> tuple[sp.Symbol, ...]:
        """Old variables, and time where there is one."""
        return self.old if self.time is None else (*self.old, self.time)

    @property
    def square(self) -> bool:
        """Whether there are as many new variables as old ones."""
        return len(self.old) == len(self.new)

    @property
    def jacobian(self) -> sp.Matrix:
        """``J_ai = d f_a/d x_i``."""
        return sp.Matrix([[differentiate(f, v) for v in self.old] for f in self.map])


def _stand_in(symbol: sp.Symbol) -> sp.Dummy:
    assumptions = dict(symbol.assumptions0)
    if symbol.is_real is None:
        assumptions["real"] = True
    return sp.Dummy(symbol.name, **assumptions)


def shown(expressions: Any) -> str:
    """Expressions for a message, stand-ins by the user's names."""
    try:
        return str([shown(e) for e in expressions]).replace("'", "")
    except TypeError:
        plain = {s: sp.Symbol(s.name) for s in expressions.free_symbols}
        return str(expressions.xreplace(plain))


def _has_no_root(determinant: sp.Expr, old: Sequence[sp.Symbol]) -> bool:
    if len(old) > 1:
        return False
    domain = sp.Interval.open(0, sp.oo) if old[0].is_positive else sp.S.Reals
    return bool(sp.solveset(determinant, old[0], domain) is sp.S.EmptySet)
