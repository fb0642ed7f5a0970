# %% [markdown]
# # The stochastic rod: SGD at the edge of stability as a diffusion
#
# `theta' = theta - eta (L'(theta) + xi)` with an even loss, Var xi = C, and `s_n = (-1)^n theta_n`.

# %%
from __future__ import annotations

import sympy as sp

import fokkerplanck as fpk
from derivations._algebra import arbitrary, assert_zero, fokker_planck
from derivations._report import Statement
from fokkerplanck.systems.edge_of_stability import Quadratic, Quartic

w, z, xi = sp.symbols("w z xi", real=True)
eta, S, Q, C, T, h, a = sp.symbols("eta S Q C T h a", positive=True)
ROD = "fokkerplanck.StochasticRod"

even_loss = arbitrary("F", w**2)


def sgd(loss: sp.Expr, order: int = 1) -> fpk.SGD:
    return fpk.SGD(loss, (w,), fpk.noise.Isotropic(C), learning_rate=eta, order=order)


# %% [markdown]
# ## The staggered map is exact
# The gradient is odd, so that `s' = (-1)^(n+1) theta'` depends on s alone, and the sign of the
# noise does not matter to its distribution.


# %%
def staggered_map() -> list[Statement]:
    rod = fpk.StochasticRod(sgd(even_loss), order=1)
    (s,) = rod.variables
    theta_next = w - eta * (sp.diff(even_loss, w) + xi)
    for parity in (1, -1):
        s_next = -parity * theta_next.subs(w, parity * s)
        assert_zero(s_next - (s + rod.step + parity * eta * xi))
    assert_zero(rod.drift[0] * eta - rod.step)
    assert_zero(rod.tensor[0] * eta - eta**2 * C / 2)

    noise = fpk.noise.Isotropic(C)
    hot = fpk.SGLD(even_loss, (w,), noise, learning_rate=eta, temperature=T)
    tensor = fpk.StochasticRod(hot, order=1).tensor[0]
    assert_zero(tensor * eta - (eta**2 * C + 2 * eta * T) / 2)
    return [
        Statement("s' = s + b(s) + eta xi, b = eta L'(s) - 2 s", f"{ROD}.step", True),
        Statement(
            "order 1: A = b/eta, D = eta C/2 in time eta * steps",
            ROD,
            True,
            "loss and noise even; eta^2 C + 2 eta T for SGLD",
        ),
    ]


# %% [markdown]
# ## Order 2
# A function f changes in one step by `E f(s + b + sqrt(a) zeta)` and in the same time of a
# diffusion by `exp(G) f`. With b and a of order h both agree to order h^2 for every f, when a is
# constant, if `A = b - (b b' + a b''/2)/2` and `D = a (1 - b')/2`; a varying a leaves a third
# derivative, of factor `-a a'/4`, which no diffusion has. The package completes `1 - b'` to a
# square, which adds a term of order h^3.


# %%
def second_order() -> list[Statement]:
    f, b = arbitrary("f", z), arbitrary("b", z)

    def step(variance: sp.Expr) -> sp.Expr:
        """``E f(z + h b + sqrt(h a) zeta)`` to order h^2, from the moments 1, 3 of zeta."""
        mean = h * b
        moments = {
            1: mean,
            2: mean**2 + h * variance,
            3: 3 * mean * h * variance,
            4: 3 * (h * variance) ** 2,
        }
        return f + sum(m / sp.factorial(k) * sp.diff(f, z, k) for k, m in moments.items())

    def flow(drift: sp.Expr, tensor: sp.Expr) -> sp.Expr:
        def generator(function: sp.Expr) -> sp.Expr:
            return drift * sp.diff(function, z) + tensor * sp.diff(function, z, 2)

        once = generator(f)
        return f + once + generator(once) / 2

    def agreeing(difference: sp.Expr) -> list[sp.Expr]:
        expanded = sp.expand(difference.doit())
        return [expanded.coeff(h, order) for order in range(3)]

    slope, bend = sp.diff(b, z), sp.diff(b, z, 2)
    drift = h * b - h**2 * (b * slope + a * bend / 2) / 2
    tensor = h * a / 2 * (1 - h * slope / 2) ** 2
    for remainder in agreeing(step(a) - flow(drift, tensor)):
        assert_zero(remainder)

    varying = arbitrary("v", z)
    for order, remainder in enumerate(agreeing(step(varying) - flow(h * b, h * varying / 2))):
        third = remainder.coeff(sp.diff(f, z, 3))
        assert_zero(third if order < 2 else third + varying * sp.diff(varying, z) / 4)

    rod = fpk.StochasticRod(sgd(even_loss), order=2)
    (s,) = rod.variables
    b, variance = rod.step, eta**2 * C
    slope, bend = sp.diff(b, s), sp.diff(b, s, 2)
    assert_zero(eta * rod.drift[0] - (b - (b * slope + variance * bend / 2) / 2))
    assert_zero(eta * rod.tensor[0] - variance / 2 * (1 - slope / 2) ** 2)
    return [
        Statement(
            "order 2: A = (b - b b'/2 - eta^2 C b''/4)/eta, D = (eta C/2) (1 - b'/2)^2",
            ROD,
            True,
            "matches one step to the second order in b and eta^2 C, for constant C",
        )
    ]


# %% [markdown]
# ## The potential, and the 2-cycle
# `p ~ exp(-U/D)` with `U = s^2 - eta L` and `D = eta^2 C/2`. `U' = -b` vanishes where
# `theta - eta L'(theta) = -theta`: at fixed points of the map with the sign changed. For the
# quartic these are 0 and the 2-cycle, wells from `eta S = 2` on.


# %%
def potential() -> list[Statement]:
    rod = fpk.StochasticRod(sgd(even_loss), order=1)
    (s,) = rod.variables
    U = s**2 - eta * even_loss.subs(w, s)
    assert_zero(fokker_planck(rod, sp.exp(-U / (eta**2 * C / 2))).doit())
    assert_zero(sp.diff(U, s) + rod.step)
    assert_zero((w - eta * sp.diff(even_loss, w) + w).subs(w, s) + rod.step)

    quartic = Quartic(S, Q)
    well = sp.sqrt(quartic.symmetric_extent(eta))
    landau = (1 - eta * S / 2) * s**2 + eta * Q * s**4 / 4
    found = fpk.StochasticRod(sgd(quartic.loss), order=1).potential()
    assert_zero(sp.diff(found * eta**2 * C / 2 - landau, s))
    assert_zero(sp.diff(landau, s).subs(s, well))
    assert_zero(sp.diff(landau, s, 2).subs(s, well) - 2 * (eta * S - 2))
    barrier = landau.subs(s, 0) - landau.subs(s, well)
    assert_zero(barrier - (eta * S - 2) ** 2 / (4 * eta * Q))

    sigma = sp.Symbol("sigma", positive=True)
    weight = sp.exp(-landau.subs(S, 2 / eta) / (sigma**2 / 2))
    u = sp.Symbol("u", positive=True)
    even = weight.subs(s, u)
    second = sp.integrate(u**2 * even, (u, 0, sp.oo)) / sp.integrate(even, (u, 0, sp.oo))
    ratio = sp.gamma(sp.Rational(3, 4)) / sp.gamma(sp.Rational(1, 4))
    assert_zero(second - sigma * sp.sqrt(2 / (eta * Q)) * ratio)
    return [
        Statement("p ~ exp(-U/(eta^2 C/2)), U = s^2 - eta L(s)", ROD, True, "order 1, constant C"),
        Statement(
            "quartic: wells of U at s^2 = (S - 2/eta)/Q, barrier (eta S - 2)^2/(4 eta Q)",
            ROD,
            True,
            "the 2-cycle of gradient descent",
        ),
        Statement(
            "quartic at eta S = 2: E theta^2 = eta sqrt(2 C/(eta Q)) Gamma(3/4)/Gamma(1/4)",
            ROD,
            True,
            "order 1",
        ),
    ]


# %% [markdown]
# ## The quadratic, and the mirror image of the ordinary diffusion
# `Var theta' = (1 - eta S)^2 Var theta + eta^2 C` gives the exact variance; a linear drift `-k s`
# has `D/k`.


# %%
def quadratic() -> list[Statement]:
    exact = eta**2 * C / (1 - Quadratic(S).multiplier(eta) ** 2)
    loss, x = Quadratic(S).loss, eta * S
    expected = {1: x / 2, 2: 1 - (x - 2) ** 2 / 4}
    for order, ratio in expected.items():
        rod = fpk.StochasticRod(sgd(loss), order=order)
        ordinary = sgd(loss, order).diffusion()
        for model, wanted in ((rod, ratio), (ordinary, ratio.subs(S, 2 / eta - S))):
            (v,) = model.variables
            variance = -model.tensor[0] / sp.diff(model.drift[0], v)
            assert_zero(sp.diff(variance, v))
            assert_zero(variance / exact - wanted)
    return [
        Statement(
            "L = S w^2/2: variance over the exact one is eta S/2, 1 - (eta S - 2)^2/4",
            ROD,
            True,
            "orders 1, 2; the ordinary diffusion's with 2 - eta S for eta S",
        )
    ]


# %%
def derive() -> list[Statement]:
    return [*staggered_map(), *second_order(), *potential(), *quadratic()]
