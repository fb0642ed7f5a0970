"""What models a stochastic rod is derived for; the others are refused."""

from __future__ import annotations

from typing import Any

import sympy as sp

from fokkerplanck.errors import InvalidModel
from fokkerplanck.model.optimizers import SGD, SGLD
from fokkerplanck.model.points import vanishes
from fokkerplanck.model.stochastic_rod_center import Center
from fokkerplanck.model.symbols import has_jumps

__all__ = ["center_of", "require_noise", "staggered_row"]


def staggered_row(sgd: Any, staggered: Any, order: int) -> int:
    """Index of the variable that alternates."""
    if not isinstance(sgd, (SGD, SGLD)):
        raise InvalidModel(
            f"the staggered iterate is that of SGD or SGLD, not of {type(sgd).__name__}"
        )
    if order not in (1, 2):
        raise InvalidModel(f"order is 1 or 2, not {order!r}")
    names = [v.name for v in sgd.variables]
    if staggered is None and len(names) > 1:
        raise InvalidModel(
            f"of several variables, {names}, one alternates: give it, staggered={names[0]}"
        )
    if staggered is not None and str(staggered) not in names:
        raise InvalidModel(f"staggered is one of the variables {names}, not {staggered!r}")
    if getattr(sgd.noise, "negative", "refuse") == "clip":
        raise InvalidModel("clipped noise is not offered for the rod; give a positive covariance")
    data = getattr(getattr(sgd.noise, "data", None), "symbols", ())
    row = 0 if staggered is None else names.index(str(staggered))
    taken = {symbol.name for symbol in (*sgd.parameters, *data)} | set(
        names[:row] + names[row + 1 :]
    )
    if "s" in taken:
        raise InvalidModel("s is the staggered iterate; rename the parameter or data symbol s")
    return row


def center_of(sgd: SGD | SGLD, row: int) -> Center:
    theta, s = sgd.variables[row], sp.Symbol("s", real=True)
    slow = tuple(v for v in sgd.variables if v != theta)
    across = sgd.gradient[row]
    even = vanishes(across + across.xreplace({theta: -theta}), sgd.variables)
    if not even and not slow and not vanishes(across.xreplace({theta: sp.S.Zero}), ()):
        raise InvalidModel(
            f"the loss is not even in {theta}, and its slope at {theta} = 0 is not 0: measure "
            f"{theta} from a minimum of the loss, about which its rods stand"
        )
    return Center(sgd.gradient, theta, s, slow, row, even)


def require_noise(center: Center, covariance: sp.MatrixBase, order: int) -> None:
    """Noise of a step, theta first and named s."""
    theta, s = center.theta, center.s
    varies = bool({s, *center.slow} & covariance.free_symbols)
    shown = covariance.xreplace({s: theta})
    if not center.even and (varies or has_jumps(center.gradient, (theta, *center.slow))):
        raise InvalidModel(
            f"the loss is not even in {theta}: then the rod is derived for smooth losses and noise "
            f"that does not depend on {theta}; use transition_operator"
        )
    if not all(vanishes(e - e.xreplace({s: -s}), (s, *center.slow)) for e in covariance):
        raise InvalidModel(
            f"the noise is not even in {theta}: s meets another one at every second step, which "
            "is not covered; use transition_operator"
        )
    if order == 2 and varies:
        raise InvalidModel(
            f"order 2 is derived for noise that does not depend on {theta}, not for the variance "
            f"{shown[0, 0]}; use order=1"
        )
    if order == 2 and has_jumps(center.gradient, (theta, *center.slow)):
        raise InvalidModel(
            f"order 2 takes three derivatives of the loss, whose gradient bends or jumps in "
            f"{theta}; use order=1"
        )
