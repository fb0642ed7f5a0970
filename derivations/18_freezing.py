# %% [markdown]
# # Two valleys: along them, and freezing
#
# The model of derivation 10 with its y. On the floors y moves with the mean force; runs freeze
# where leaving the sharp valley has become slower than the share of the flat one grows.

# %%
from __future__ import annotations

import sympy as sp

from derivations._algebra import assert_zero
from derivations._report import Statement
from derivations._two_valley import (
    VALLEY,
    Delta,
    L_d,
    dawson_limit,
    f0,
    sides,
    valley,
    x,
    x0,
    x1,
    x2,
    y,
    y_b,
    y_d,
    y_f,
)
from fokkerplanck.systems.two_parabolas import SIDES

# %% [markdown]
# ## Landscape and Hessian
# Both barriers are `(x0^2/f0) y^2/(y + y_f)^2`. The authors' `H_yy` lacks `-x (x -+ g) f''/f^2`.


# %%
def landscape() -> list[Statement]:
    section = valley.at()
    for side in SIDES:
        assert_zero(section.barrier(side) - valley.barrier)
    assert_zero(section.flatness_ratio - valley.flatness_ratio)
    shortened = valley.optimizer(1, covariance="shortened_hessian", floor=0).covariance
    L0 = valley.base_loss
    entries = zip(sides(shortened[1, 1]), SIDES, (1, -1), strict=True)
    for entry, side, sign in entries:
        f, g = valley.flatness(side), sign * valley.separation(side)
        expected = (
            -x * sp.diff(g, y, 2) / f
            + 2 * x * sp.diff(g, y) * sp.diff(f, y) / f**2
            + 2 * x * (x - g) * sp.diff(f, y) ** 2 / f**3
            + sp.diff(L0, y, 2)
        )
        assert_zero(sp.cancel(entry / (2 * Delta) - expected))
    exact = valley.optimizer(1, floor=0).covariance
    assert exact[0, :] == shortened[0, :]
    shift = valley.optimizer(1, covariance="random_shift").covariance
    hessian = sp.Matrix(exact) / (2 * Delta)
    for ours, theirs in zip(shift, 2 * Delta * hessian * hessian, strict=True):
        assert_zero(ours - theirs)
    return [
        Statement("barrier (x0^2/f0) y^2/(y + y_f)^2 in both valleys", f"{VALLEY}.barrier", True),
        Statement(
            "without f'': H_yy = -x g''/f + 2 x g' f'/f^2 + 2 x (x-g) f'^2/f^3 + L0''",
            f"{VALLEY}.optimizer",
            True,
        ),
    ]


# %% [markdown]
# ## Along the valleys
# On a floor `dL/dx = 0`, so `-dL/dy` there is the total derivative of the floor's loss. With the
# spread `<(x - floor)^2> = D/L'' = Delta_S` the mean force gains `Delta_S f'/f^2`.


# %%
def motion() -> list[Statement]:
    loss = sides(valley.loss)
    for side, piece, sign in zip(SIDES, loss, (1, -1), strict=True):
        floor = sign * valley.separation(side) / 2
        deviation = sp.Symbol("u", real=True)
        force = -sp.diff(piece, y).subs(x, floor + deviation)
        assert_zero(force.subs(deviation, 0) - valley.velocity())
        curved = sp.diff(force, deviation, 2) / 2
        assert_zero(curved * Delta - valley.thermal_velocity(side))
    return [
        Statement("dy/dt = -d(L0 - Delta L)/dy on both floors", f"{VALLEY}.velocity", True),
        Statement(
            "the spread across adds Delta_S f'/f^2 to dy/dt", f"{VALLEY}.thermal_velocity", True
        ),
    ]


# %% [markdown]
# ## Freezing
# `P_flat = 1/(1 + r)` grows at the relative rate `-(dr/dt)/(1 + r)`. Over deep barriers `ln r =
# const - (x1^2 - x2^2) u^2/(2 Delta_S)` with `u = y/(y + y_b)`. The factors `y y_b/(y + y_b)^3` and
# `dDelta L/dy` are largest at `y_b/2` and `y_f/2`, the slope of L0 at y = 0.


# %%
def freezing() -> list[Statement]:
    threshold = sp.Symbol("eps", positive=True)
    criterion = valley.freezing_criterion(threshold)
    section = valley.at()
    k_flat, k_sharp = (section.transition_rate(side, "first_passage") for side in SIDES)
    r = k_flat / k_sharp
    growth = sp.diff(1 / (1 + r), y) * (1 + r) * valley.velocity()
    place = {Delta: 1e-3, x0: 1, x1: 0.8, x2: 0.65, f0: 1, y_f: 20, y_b: 30, y_d: 100, L_d: 1, y: 7}
    left = (criterion.lhs - k_sharp, criterion.rhs - threshold * growth)
    for entry in left:
        assert abs(sp.N(entry.subs({**place, threshold: 1}), 20)) < 1e-15 * abs(
            sp.N(growth.subs(place))
        )
    logarithm = sp.expand_log(sp.log(dawson_limit(r)), force=True)
    u = y / (y + y_b)
    assert_zero(sp.diff(logarithm + (x1**2 - x2**2) * u**2 / (2 * Delta), y))
    profile = y * y_b / (y + y_b) ** 3
    assert_zero(-sp.diff(logarithm, y) - (x1**2 - x2**2) / Delta * profile)
    assert sp.solve(sp.diff(profile, y), y) == [y_b / 2]
    slope = sp.diff(valley.barrier, y)
    assert sp.solve(sp.diff(slope, y), y) == [y_f / 2]
    bound = (x1**2 - x2**2) * profile.subs(y, y_b / 2)
    velocity = slope.subs(y, y_f / 2) + L_d / y_d
    assert_zero(-sp.diff(valley.base_loss, y).subs(y, 0) - L_d / y_d)
    assert_zero(bound * velocity / 2 - valley.phi())  # r/(1 + r) = 1/2
    approximation = valley.y_freeze_approximation(threshold)
    u_freeze = sp.simplify(u.subs(y, approximation))
    z2_squared = x2**2 * u_freeze**2 / (2 * Delta)
    target = sp.log(threshold * valley.phi() / sp.sqrt(Delta))
    assert_zero(
        sp.expand_log(sp.simplify(z2_squared), force=True) + sp.expand_log(target, force=True)
    )
    q = x2 * u
    deep = dawson_limit(k_sharp)
    factor = sp.simplify(deep * sp.sqrt(Delta) * sp.exp(q**2 / (2 * Delta)))
    assert_zero(factor - sp.sqrt(2 / sp.pi) * q / valley.flatness("sharp"))
    return [
        Statement(
            "k_sharp = -eps (dr/dt)/(1 + r): eps times the relative growth rate of P_flat",
            f"{VALLEY}.freezing_criterion",
            True,
            "identity checked in numbers",
        ),
        Statement(
            "growth rate <= (2 r/(1+r)) Phi/Delta_S, Phi = [2(x1^2-x2^2)/(27 y_b)] (L_d/y_d + "
            "8 x0^2/(27 y_f f0))",
            f"{VALLEY}.phi",
            True,
            "deep barriers",
        ),
        Statement(
            "y_b q/(x2 - q) solves exp(-z2^2) = eps Phi/sqrt(Delta_S)",
            f"{VALLEY}.y_freeze_approximation",
            True,
            "r = 1 and sqrt(2/pi) q/f2 = 1 in the criterion",
        ),
    ]


# %%
def derive() -> list[Statement]:
    """Run every proof of this file."""
    return [*landscape(), *motion(), *freezing()]
