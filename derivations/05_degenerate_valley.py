# %% [markdown]
# # The degenerate valley
#
# `L = L0(x) + lambda(x) y^2/2`, drift `-grad L`, tensor `diag(Delta/kappa, Delta)`: exact density
# at `kappa = 1`; otherwise y is eliminated. With the terms across divided by `delta`,
#
#     0 = (1/delta) L_y P + L_x P,      P = P_0 + delta P_1 + ...
#
# `L_y P_0 = 0`, `L_y P_1 = -L_x P_0`, and the flux along the valley, integrated over y, vanishes
# order by order. At the end `delta = 1`, or `Delta` where L0 is of order Delta (last cell but one).
# `lambda(x)` and `L0(x)` stay arbitrary functions.

# %%
from __future__ import annotations

import sympy as sp

from derivations._algebra import arbitrary, assert_zero, flux, fokker_planck
from derivations._report import Statement
from fokkerplanck.systems.degenerate_valley import MinimalValley

x, y = sp.symbols("x y", real=True)
kappa, Delta, t = sp.symbols("kappa Delta t", positive=True)
curvature = arbitrary("lambda", x, positive=True)
base_loss = arbitrary("L_0", x)
valley = MinimalValley(curvature, base_loss)
slope = sp.diff(curvature, x)

VALLEY = "fokkerplanck.systems.degenerate_valley.MinimalValley"


def average(polynomial: sp.Expr) -> sp.Expr:
    """Mean over a Gaussian y of variance Delta/lambda: ``<y^2n> = (2n-1)!! (Delta/lambda)^n``."""
    terms = sp.Poly(sp.expand(polynomial), y).terms()
    return sum(
        (
            coefficient * sp.factorial2(power - 1) * (Delta / curvature) ** (power // 2)
            for (power,), coefficient in terms
            if power % 2 == 0
        ),
        sp.S.Zero,
    )


def per_density(expression: sp.Expr) -> sp.Expr:
    """Divide the Gaussian out; what is left is a polynomial in y."""
    return sp.expand(sp.simplify(expression / valley.density()))


# %% [markdown]
# ## kappa = 1: no flux at all
# `P = exp(-(L + L_SGD)/Delta)` with `L_SGD = 0` there. For `kappa != 1` the force `D^-1 A` has a
# curl unless the valley is uniform, so no potential exists.


# %%
def exact_at_kappa_one() -> list[Statement]:
    isotropic = MinimalValley(curvature, base_loss, kappa=1)
    assert_zero(flux(isotropic.diffusion(), isotropic.density()))
    logarithm = sp.expand_log(sp.log(valley.density()), force=True)
    effective = sp.expand_log(valley.effective_loss(), force=True)
    assert_zero(logarithm + effective / Delta)
    model = valley.diffusion()
    force = sp.Matrix(model.tensor).inv() * sp.Matrix(model.drift)
    curl = sp.diff(force[1], x) - sp.diff(force[0], y)
    assert_zero(curl - (kappa - 1) * slope * y / Delta)
    optimizer = valley.optimizer(sp.Symbol("eta", positive=True))
    assert_zero(optimizer.diffusion().drift - model.drift)
    assert_zero(optimizer.diffusion().tensor - model.tensor)
    return [
        Statement("P = exp(-(L + L_SGD)/Delta) exactly at kappa = 1", f"{VALLEY}.density", True),
        Statement(
            "curl of D^-1 A = (kappa - 1) lambda' y/Delta: no detailed balance for kappa != 1",
            f"{VALLEY}.diffusion",
            True,
        ),
    ]


# %% [markdown]
# ## Leading order: the marginal F^kappa exp(-kappa L0/Delta)
# `L_SGD = Delta (1-kappa) ln F + (kappa-1) L0`; the second term vanishes only for a level floor.


# %%
def leading_order() -> list[Statement]:
    model, density = valley.diffusion(), valley.density()
    along, across = flux(model, density)
    assert_zero(across)
    assert_zero(average(per_density(along)))
    width = sp.sqrt(2 * sp.pi * Delta / curvature)  # of the Gaussian exp(-lambda y^2/(2 Delta))
    marginal = density.subs(y, 0) * width / sp.sqrt(2 * sp.pi * Delta)
    assert_zero(sp.expand_log(sp.log(marginal / valley.marginal()), force=True))
    reduced = valley.along()
    assert_zero(average(model.drift[0]) - reduced.drift[0])
    assert_zero(flux(reduced, valley.marginal()))
    integral = MinimalValley(curvature).convergence_time(x, 0)
    in_x = integral.function.subs(integral.limits[0][0], x).doit()
    assert_zero(in_x + 2 * curvature / (Delta * slope))
    return [
        Statement(
            "x diffuses with A = -L0' - Delta lambda'/(2 lambda), D = Delta/kappa",
            f"{VALLEY}.along",
            True,
            "leading order; stationary density F^kappa exp(-kappa L0/Delta)",
        ),
        Statement(
            "time to the flat end (2/Delta) int lambda dx/|lambda'|",
            f"{VALLEY}.convergence_time",
            True,
            "leading order, level floor, kappa -> oo",
        ),
        Statement(
            "P(x) ~ F^kappa exp(-kappa L0/Delta) at leading order",
            f"{VALLEY}.marginal",
            True,
            "no net flux along the valley",
        ),
        Statement(
            "L_SGD = Delta (1 - kappa) ln F + (kappa - 1) L0",
            f"{VALLEY}.sgd_loss",
            True,
            "leading order",
        ),
    ]


# %% [markdown]
# ## First correction
# `P_1 = P_0 (g(x) + r_1 He_2 + r_2 He_4)`. The Hermite terms solve `L_y P_1 = -L_x P_0`; `g`
# follows from the vanishing flux of `P_1` and corrects `ln P(x)`.


# %%
def first_correction() -> list[Statement]:
    model, density = valley.diffusion(), valley.density()
    correction = valley.density_correction()
    first = density * correction
    across = sp.diff(flux(model, first)[1], y)
    along = sp.diff(flux(model, density)[0], x)
    assert_zero(per_density(across + along))
    assert_zero(average(per_density(flux(model, first)[0])))
    assert_zero(average(correction) - valley.marginal_correction())
    spread = average(y**2 * (correction - valley.marginal_correction()))
    relative = sp.expand(spread * curvature / Delta)
    shift = (
        (1 - 1 / kappa)
        / 2
        * (
            Delta * sp.diff(slope, x) / curvature**2
            - Delta * (kappa / 2 + 2) * slope**2 / curvature**3
            - kappa * sp.diff(base_loss, x) * slope / curvature**2
        )
    )
    assert_zero(relative - shift)
    return [
        Statement(
            "ln P(x) gains (kappa-1)/4 [kappa int L0' lambda'^2/lambda^3 dx + (Delta/2) "
            "((kappa+1) int lambda'^3/lambda^4 dx - lambda'^2/lambda^3)]",
            f"{VALLEY}.marginal_correction",
            True,
            "first order; no net flux along the valley",
        ),
        Statement(
            "<y^2> lambda/Delta - 1 = (1/2)(1 - 1/kappa) [Delta lambda''/lambda^2 "
            "- Delta (kappa/2 + 2) lambda'^2/lambda^3 - kappa L0' lambda'/lambda^2]",
            f"{VALLEY}.density_correction",
            True,
            "first order",
        ),
    ]


# %% [markdown]
# ## The small parameter
# `y^2 - Delta/lambda` decays at the rate `2 lambda`. The fluctuating force `-lambda' y^2/2` so adds
# the diffusion `int_0^inf Cov(force(t), force(0)) dt` along the valley (Green and Kubo). Its ratio
# to `Delta/kappa` is epsilon, which is the ratio of the relaxation times across and along too, over
# the distance `2 lambda/(kappa |lambda'|)` on which `F^kappa` falls by e. For large kappa the slope
# of `ln P(x)` changes by the fraction `-epsilon`: the error of the density grows with every such
# distance.


# %%
def small_parameter() -> list[Statement]:
    excess = y**2 - Delta / curvature
    decay = -curvature * y * sp.diff(excess, y) + Delta * sp.diff(excess, y, 2)
    assert_zero(decay + 2 * curvature * excess)
    variance = average((slope / 2 * excess) ** 2)
    rate = sp.Symbol("r", positive=True)
    time = sp.integrate(sp.exp(-rate * t), (t, 0, sp.oo)).subs(rate, 2 * curvature)
    extra = variance * time
    assert_zero(extra - slope**2 * Delta**2 / (4 * curvature**3))
    epsilon = valley.small_parameter()
    assert_zero(extra / (Delta / kappa) - epsilon)
    level = MinimalValley(curvature)
    log_slope = sp.diff(sp.log(level.marginal()), x)
    distance = 1 / log_slope
    assert_zero((1 / curvature) / (distance**2 / (Delta / kappa)) - epsilon)
    change = sp.simplify(sp.diff(level.marginal_correction(), x) / log_slope / epsilon)
    assert sp.limit(change, kappa, sp.oo) == -1
    return [
        Statement(
            "epsilon = kappa Delta lambda'^2/(4 lambda^3): added diffusion over Delta/kappa",
            f"{VALLEY}.small_parameter",
            True,
        ),
        Statement(
            "slope of ln P(x) changes by the fraction -epsilon for kappa >> 1, L0 = const",
            f"{VALLEY}.small_parameter",
            True,
            "first order",
        ),
    ]


# %% [markdown]
# ## Powers of Delta, and the default valley from end to end
# With `y = sqrt(Delta) z` and `L0 = Delta U(x)` every coefficient along the valley is proportional
# to Delta and none across contains it: then `delta` is Delta.
# For `lambda = 2 + tanh x`, with `u = tanh x` and `dx = du/(1 - u^2)`, the correction to
# `ln P(oo)/P(-oo)` is `Delta (kappa^2 - 1)(10/9 - ln 3)`, or 45 Delta at kappa = 60.


# %%
def powers_of_delta() -> list[Statement]:
    z = sp.Symbol("z", real=True)
    scaled = MinimalValley(curvature, Delta * arbitrary("U", x)).diffusion()
    drift = scaled.drift.subs(y, sp.sqrt(Delta) * z)
    for along in (drift[0] / Delta, scaled.tensor[0, 0] / Delta):
        assert not sp.expand(along).has(Delta)
    for across in (drift[1] / sp.sqrt(Delta), scaled.tensor[1, 1] / Delta):
        assert not sp.expand(across).has(Delta)
    u = sp.Symbol("u", real=True)
    correction_slope = sp.diff(MinimalValley().marginal_correction(), x)
    in_u = sp.cancel(correction_slope.subs(sp.tanh(x), u) / (1 - u**2))
    total = sp.integrate(sp.apart(in_u, u), (u, -1, 1))
    assert_zero(total - Delta * (kappa**2 - 1) * (sp.Rational(10, 9) - sp.log(3)))
    return [
        Statement(
            "corrections are powers of Delta at fixed kappa where L0 is of order Delta",
            f"{VALLEY}",
            True,
        ),
        Statement(
            "lambda = 2 + tanh x: ln P(oo)/P(-oo) gains Delta (kappa^2 - 1)(10/9 - ln 3)",
            f"{VALLEY}.marginal_correction",
            True,
            "first order",
        ),
    ]


# %% [markdown]
# ## Circulation
# The current of `P_0` along, that of `P_1` across: together free of divergence. The entropy
# production `int J D^-1 J/P` is that of the current along, the one across being an order smaller.


# %%
def circulation() -> list[Statement]:
    model, density = valley.diffusion(), valley.density()
    current = valley.current()
    expected = slope / 2 * (1 - 1 / kappa) * (Delta / curvature - y**2) * density
    assert_zero(per_density(current[0] - expected))
    assert_zero(per_density(current[0] - flux(model, density)[0]))
    first = density * valley.density_correction()
    assert_zero(per_density(current[1] - flux(model, first)[1]))
    assert_zero(per_density(sp.diff(current[0], x) + sp.diff(current[1], y)))
    production = average(per_density(current[0]) ** 2 / model.tensor[0, 0])
    assert_zero(production - valley.entropy_production())
    isotropic = MinimalValley(curvature, base_loss, kappa=1)
    assert_zero(fokker_planck(isotropic.diffusion(), isotropic.density()))
    assert_zero(isotropic.current())
    return [
        Statement(
            "J_x = (lambda'/2)(1 - 1/kappa)(Delta/lambda - y^2) P, div J = 0",
            f"{VALLEY}.current",
            True,
            "leading order",
        ),
        Statement(
            "entropy production rate at x = Delta (kappa-1)^2/(2 kappa) (lambda'/lambda)^2",
            f"{VALLEY}.entropy_production",
            True,
            "leading order",
        ),
    ]


# %%
def derive() -> list[Statement]:
    return [
        *exact_at_kappa_one(),
        *leading_order(),
        *first_correction(),
        *small_parameter(),
        *powers_of_delta(),
        *circulation(),
    ]
