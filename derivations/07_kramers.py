# %% [markdown]
# # Kramers' rate in one dimension, with its correction
#
# `p = exp(-Phi)` without current, `F = -D Phi'`, `A = F + D'`. The mean time from a to beyond b is
#
#     tau = int_a dy exp(Phi(y))/D(y) int_-oo^y dz exp(-Phi(z))
#
# The inner integral lives at the minimum, the outer one at the maximum. Both by Laplace's method:
# `z = sqrt(eps) u`, terms of the exponent beyond the second order expanded, odd powers of u
# averaging out unless only half of the line counts.

# %%
from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
from scipy.integrate import quad

import fokkerplanck as fpk
from derivations._algebra import arbitrary, assert_zero
from derivations._report import Statement
from fokkerplanck.theory.expansion import Exponent, mass_correction
from fokkerplanck.theory.kramers import barrier_correction

x, u = sp.symbols("x u", real=True)
delta = sp.Symbol("delta", positive=True)  # sqrt(eps)
curvature = sp.Symbol("mu", positive=True)
third, fourth, d_1, d_2 = sp.symbols("Phi_3 Phi_4 d_1 d_2", real=True)

KRAMERS = "fokkerplanck.theory.kramers_rate"


def moment(polynomial: sp.Expr, side: int = 0) -> sp.Expr:
    """Mean over a Gaussian u of variance 1/mu, on the whole line or on the half of that sign."""
    total = sp.S.Zero
    for (power,), coefficient in sp.Poly(sp.expand(polynomial), u).terms():
        if power % 2 and not side:
            continue
        absolute = (2 / curvature) ** sp.Rational(power, 2) * sp.gamma(sp.Rational(power + 1, 2))
        total += coefficient * absolute / sp.sqrt(sp.pi) * (side if power % 2 else 1)
    return sp.expand(total)


def expanded(function: sp.Expr) -> list[sp.Expr]:
    """Coefficients of delta^0, delta^1, delta^2."""
    series = sp.series(function, delta, 0, 3).removeO()
    return [sp.expand(series).coeff(delta, n) for n in range(3)]


# %% [markdown]
# ## The double integral
# It solves the backward equation `A tau' + D tau'' = -1` with any D and Phi.


# %%
def double_integral() -> list[Statement]:
    potential, tensor = arbitrary("Phi", x), arbitrary("D", x, positive=True)
    inner = sp.Function("I", real=True)(x)  # int_-oo^x exp(-Phi)
    slope = -sp.exp(potential) / tensor * inner
    drift = -tensor * sp.diff(potential, x) + sp.diff(tensor, x)
    bend = sp.diff(slope, x).subs(sp.Derivative(inner, x), sp.exp(-potential))
    assert_zero(drift * slope + tensor * bend + 1)
    model = fpk.Diffusion((x,), [drift], [[tensor]])
    assert_zero(sp.Matrix(model.force)[0] + tensor * sp.diff(potential, x))
    return [
        Statement(
            "tau' = -exp(Phi)/D int exp(-Phi) solves A tau' + D tau'' = -1, A = -D Phi' + D'",
            KRAMERS,
            True,
        ),
    ]


# %% [markdown]
# ## Leading order
# `int exp(-Phi) = sqrt(2 pi/Phi_a'') exp(-Phi_a)` and `int exp(Phi)/D = sqrt(2 pi/|Phi_b''|)
# exp(Phi_b)/D_b`; up to the ridge it is half of that, so the rate to the ridge is twice the rate of
# escape.


# %%
def leading_order() -> list[Statement]:
    well, barrier = sp.symbols("h_a h_b", positive=True)
    inner = sp.integrate(sp.exp(-well * u**2 / 2), (u, -sp.oo, sp.oo))
    outer = sp.integrate(sp.exp(-barrier * u**2 / 2), (u, -sp.oo, sp.oo))
    half = sp.integrate(sp.exp(-barrier * u**2 / 2), (u, -sp.oo, 0))
    assert_zero(inner * outer - 2 * sp.pi / sp.sqrt(well * barrier))
    assert_zero(outer - 2 * half)
    potential, noise = x**2 / 2 - x**3 / 3, sp.Rational(1, 30)
    escape, ridge = (
        fpk.theory.kramers_rate(potential, minimum=0.1, saddle=0.9, noise=noise, to=to)
        for to in ("far side", "ridge")
    )
    assert abs(escape.value / (np.exp(-5) / (2 * np.pi)) - 1) < 1e-12
    assert abs(ridge.value / escape.value - 2) < 1e-12
    return [
        Statement(
            "k = D_b sqrt(Phi_a'' |Phi_b''|)/(2 pi) exp(Phi_a - Phi_b), twice that to the ridge",
            KRAMERS,
            True,
            "leading order in noise over barrier",
        ),
    ]


# %% [markdown]
# ## Next order
# With `Phi = Phi_a + mu z^2/2 + Phi_3 z^3/6 + Phi_4 z^4/24` the well gains the factor
# `1 - Phi_4/(8 mu^2) + 5 Phi_3^2/(24 mu^3)`; the barrier, where `-mu` stands for mu and `D = D_b (1
# + d_1 z + d_2 z^2/2)`, `1 + Phi_4/(8 mu^2) + 5 Phi_3^2/(24 mu^3) - d_1 Phi_3/(2 mu^2) + (d_1^2 -
# d_2/2)/mu`, and on one half `-+ sqrt(2/(pi mu)) (Phi_3/(3 mu) - d_1)` besides.


# %%
def exponent(values: dict[Any, Any], sign: int) -> Exponent:
    """The package's record of the same derivatives; D_b = 1."""
    entries = [float(values[s]) for s in (curvature, third, fourth, d_1, d_2)]
    arrays = [np.full((1,) * n, value) for n, value in zip((2, 3, 4, 3, 4), entries, strict=True)]
    return Exponent(sign * arrays[0], arrays[1], arrays[2], np.ones((1, 1)), arrays[3], arrays[4])


def next_order() -> list[Statement]:
    bent = third * u**3 * delta / 6 + fourth * u**4 * delta**2 / 24
    tensor = 1 + d_1 * u * delta + d_2 * u**2 * delta**2 / 2
    well = [moment(term) for term in expanded(sp.exp(-bent))]
    top = expanded(sp.exp(bent) / tensor)
    whole = [moment(term) for term in top]
    assert well[:2] == whole[:2] == [1, 0]
    assert_zero(well[2] + fourth / (8 * curvature**2) - 5 * third**2 / (24 * curvature**3))
    even = fourth / (8 * curvature**2) + 5 * third**2 / (24 * curvature**3)
    even += -d_1 * third / (2 * curvature**2) + (d_1**2 - d_2 / 2) / curvature
    assert_zero(whole[2] - even)
    odd = sp.sqrt(2 / (sp.pi * curvature)) * (third / (3 * curvature) - d_1)
    for side in (-1, 1):
        assert_zero(moment(top[1], side) - side * odd)
        assert_zero(moment(top[2], side) - even)

    rng = np.random.default_rng(7)
    for _ in range(5):
        numbers = [sp.Rational(int(k), 7) for k in rng.integers(-20, 20, 4)]
        values = dict(zip((third, fourth, d_1, d_2), numbers, strict=True))
        values[curvature] = sp.Rational(int(rng.integers(1, 20)), 5)
        assert abs(mass_correction(exponent(values, 1)) - well[2].subs(values)) < 1e-12
        for side in (-1, 0, 1):
            found = barrier_correction(exponent(values, -1), side)
            assert abs(found - (even + side * odd).subs(values).evalf()) < 1e-11
    return [
        Statement(
            "c = 5 Phi_3^2/(24 mu^3) - Phi_4/(8 mu^2) at the minimum + 5 Phi_3^2/(24 mu^3) "
            "+ Phi_4/(8 mu^2) - d_1 Phi_3/(2 mu^2) + (d_1^2 - d_2/2)/mu at the maximum",
            KRAMERS,
            True,
            "next order in noise over barrier",
        ),
        Statement(
            "to the ridge c gains side sqrt(2/(pi mu)) (Phi_3/(3 mu) - d_1)",
            KRAMERS,
            True,
            "of the order of the square root of noise over barrier",
        ),
    ]


# %% [markdown]
# ## Against the double integral itself
# `V = (x^2 - 1)^2` with `D = T`: what order 2 leaves falls as T^2, so by 4 when T is halved.


# %%
def numbers() -> list[Statement]:
    potential, left = (x**2 - 1) ** 2, []
    for noise in (1 / 20, 1 / 40):

        def weight(z: float, sign: float, noise: float = noise) -> float:
            return float(np.exp(sign * ((z**2 - 1) ** 2 - 0.5) / noise))

        well = quad(weight, -2, 0, args=(-1.0,), epsrel=1e-13, points=[-1])[0]
        barrier = quad(weight, -0.9, 0.9, args=(1.0,), epsrel=1e-13, points=[0])[0]
        # The outer integral factors out up to terms of exp(-barrier): they are below 1e-8 here.
        exact = noise / (well * barrier)
        rate = fpk.theory.kramers_rate(potential, minimum=-1, saddle=0, noise=noise, order=2)
        left.append(rate.value / exact - 1)
    assert abs(left[1]) < 1e-3
    assert 3.5 < left[0] / left[1] < 4.6
    return [
        Statement(
            "what order 2 leaves falls as noise^2: V = (x^2 - 1)^2",
            KRAMERS,
            True,
            "numerical integrals at noise 1/20 and 1/40",
        ),
    ]


# %%
def derive() -> list[Statement]:
    return [*double_integral(), *leading_order(), *next_order(), *numbers()]
