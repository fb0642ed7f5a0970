# %% [markdown]
# # The degenerate valley under randomly shifted losses
#
# `L = L0(x) + lambda(x) y^2/2`, minibatch loss `L(theta + s)`, `s ~ N(0, sigma I)`: the gradient
# is off by `H s`, so `C = sigma H^2` and `D = (Delta_S/2) H^2`, `Delta_S = eta sigma`. With `y =
# sqrt(Delta_S) z` and `L0 = Delta_S u` the backward operator is `L_0 + Delta_S L_1 + Delta_S^2
# L_2 + ...`; `L_0` acts on z alone, its density is a Gaussian of variance `lambda/2`. For `v(x)`
#
#     dv/dt = Delta_S <L_1> v + Delta_S^2 (<L_2> v + <L_1 phi>),   L_0 phi = <L_1> v - L_1 v

# %%
from __future__ import annotations

import sympy as sp

from derivations._algebra import arbitrary, assert_zero
from derivations._report import Statement
from fokkerplanck.systems.degenerate_valley import MinimalValley
from fokkerplanck.systems.random_shift_valley import RandomShiftValley

x, y, z = sp.symbols("x y z", real=True)
Delta, eta, sigma = sp.symbols("Delta_S eta sigma", positive=True)
curvature = arbitrary("lambda", x, positive=True)
floor = arbitrary("u", x)
base_loss = Delta * floor
valley = RandomShiftValley(curvature, base_loss, Delta)
slope, bend = sp.diff(curvature, x), sp.diff(curvature, x, 2)

VALLEY = "fokkerplanck.systems.random_shift_valley.RandomShiftValley"


def average(polynomial: sp.Expr) -> sp.Expr:
    """Mean over a Gaussian z of variance lambda/2."""
    terms = sp.Poly(sp.expand(polynomial), z).terms()
    return sum(
        (
            coefficient * sp.factorial2(power - 1) * (curvature / 2) ** (power // 2)
            for (power,), coefficient in terms
            if power % 2 == 0
        ),
        sp.S.Zero,
    )


def normal_mean(polynomial: sp.Expr, *variables: sp.Symbol) -> sp.Expr:
    """Mean over independent normal variables of variance sigma, exact for polynomials."""
    poly = sp.Poly(sp.expand(polynomial), *variables)
    total = sp.S.Zero
    for powers, coefficient in poly.terms():
        if all(power % 2 == 0 for power in powers):
            moments = [sp.factorial2(power - 1) * sigma ** (power // 2) for power in powers]
            total += coefficient * sp.Mul(*moments)
    return total


# %% [markdown]
# ## Covariance
# To first order in s the gradient of the shifted loss is off by `H s`. Its mean is off by
# `(sigma/2) grad tr H`, of second order in s, which `C = sigma H^2` leaves out: on the floor a
# drift `-sigma lambda'/2` along the valley, against `-eta sigma lambda lambda'/4` from the noise.
# A literal shift so descends the smoothed loss `L + (sigma/2) tr H`, which prefers the flat end.


# %%
def covariance() -> list[Statement]:
    loss, shift = valley.loss, sp.Matrix(sp.symbols("s_x s_y", real=True))
    hessian = sp.hessian(loss, (x, y))
    deviation = hessian * shift
    outer = (deviation * deviation.T).applyfunc(lambda entry: normal_mean(entry, *shift))
    model = valley.optimizer(eta)
    assert_zero(sp.Matrix(model.covariance) - outer.subs(sigma, Delta / eta))
    assert_zero(sp.Matrix(valley.diffusion().tensor) - Delta / 2 * hessian * hessian)
    assert_zero(sp.Matrix(valley.diffusion().drift) + sp.Matrix([sp.diff(loss, v) for v in (x, y)]))
    along = sp.Matrix([sp.diff(loss, x)])
    second = (shift.T * sp.hessian(along[0], (x, y)) * shift)[0] / 2
    extra = normal_mean(second, *shift)
    assert_zero(extra - sigma / 2 * sp.diff(hessian.trace(), x))
    assert_zero(extra.subs(y, 0) - sigma / 2 * (slope + sp.diff(base_loss, x, 3)))
    return [
        Statement("C = sigma H^2, D = (Delta_S/2) H^2", f"{VALLEY}.optimizer", True, "first order"),
        Statement(
            "a literal shift adds (sigma/2) grad tr H to the mean gradient",
            "docs/systems/degenerate_valley.md",
            True,
            "second order in the shift",
        ),
    ]


# %% [markdown]
# ## Elimination of y
# `phi = -(lambda'/(4 lambda)) (z^2 - lambda/2) v'` solves `L_0 phi = <L_1> v - L_1 v`. Of the
# terms in `v''` the noise along, `D_xx`, gives `lambda lambda'^2/4`, its correlation with the
# noise across `-lambda lambda'^2/4`, and the fluctuating force `lambda lambda'^2/16`.


# %%
def orders(value: sp.Expr) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """``L_0``, ``L_1`` and ``L_2`` applied to a function of x and z."""
    model = valley.diffusion()
    root = sp.sqrt(Delta)
    place = {y: root * z}
    drift = sp.Matrix(model.drift).subs(place)
    tensor = sp.Matrix(model.tensor).subs(place)
    first = drift[0] * sp.diff(value, x) + drift[1] / root * sp.diff(value, z)
    second = (
        tensor[0, 0] * sp.diff(value, x, 2)
        + 2 * tensor[0, 1] / root * sp.diff(value, x, z)
        + tensor[1, 1] / Delta * sp.diff(value, z, 2)
    )
    total = sp.expand(sp.expand(first.doit()) + sp.expand(second.doit()))
    return total.coeff(Delta, 0), total.coeff(Delta, 1), total.coeff(Delta, 2)


def elimination() -> list[Statement]:
    v = arbitrary("v", x)
    at_rest, leading, following = orders(v)
    assert_zero(at_rest)
    drift = average(leading)
    phi = -slope / (4 * curvature) * (z**2 - curvature / 2) * sp.diff(v, x)
    assert_zero(orders(phi)[0] + leading - drift)
    assert_zero(average(phi))
    correction = sp.expand(average(following) + average(orders(phi)[1]))
    reduced = valley.along()
    expected = reduced.drift[0] * sp.diff(v, x) + reduced.tensor[0, 0] * sp.diff(v, x, 2)
    assert_zero(Delta * drift + Delta**2 * correction - expected)
    assert_zero(drift * Delta - valley.drift_along() * sp.diff(v, x))
    curve = sp.diff(v, x, 2)
    assert_zero(sp.expand(average(following)).coeff(curve) - curvature * slope**2 / 4)
    assert_zero(correction.coeff(curve) - curvature * slope**2 / 16)
    density_slope = valley.drift_along() / reduced.tensor[0, 0]
    assert_zero(density_slope - valley.log_density_slope())
    return [
        Statement(
            "drift along the valley -L0' - Delta_S lambda lambda'/4",
            f"{VALLEY}.drift_along",
            True,
            "leading order, L0 of order Delta_S",
        ),
        Statement(
            "diffusion along the valley Delta_S^2 lambda lambda'^2/16, a quarter of <D_xx>",
            f"{VALLEY}.along",
            True,
            "second order",
        ),
        Statement(
            "d ln P/dx = -4/(Delta_S lambda') - 16 L0'/(Delta_S^2 lambda lambda'^2)",
            f"{VALLEY}.log_density_slope",
            True,
            "leading order",
        ),
    ]


# %% [markdown]
# ## The local kappa
# `D_yy/D_xx` with `y^2` at its mean. Put into the minimal model it gives the right drift along the
# valley, but a slope of `ln P` four times too small: in that model the two noises are independent.


# %%
def local_ratio() -> list[Statement]:
    tensor = valley.diffusion().tensor
    across = average(tensor[1, 1].subs(y, 0))
    along = sp.expand(average(tensor[0, 0].subs(y, sp.sqrt(Delta) * z))).coeff(Delta, 2) * Delta**2
    kappa = valley.local_ratio()
    assert_zero(across / along - kappa)
    ratio, noise = sp.symbols("kappa Delta", positive=True)
    local = {ratio: kappa, noise: Delta * curvature**2 / 2}
    minimal = MinimalValley(curvature, base_loss, kappa=ratio, noise=noise)
    log_slope = sp.diff(sp.log(minimal.marginal()), x).subs(local)
    assert_zero(4 * log_slope - valley.log_density_slope())
    force = -sp.diff(base_loss, x) - slope / (2 * curvature) * noise  # -L0' - lambda' <y^2>/2
    assert_zero(force.subs(local) - valley.drift_along())
    by_formula = minimal.sgd_loss().subs(local)
    assert_zero(sp.expand_log(sp.expand(valley.sgd_loss() - by_formula), force=True))
    return [
        Statement(
            "local kappa = 2 lambda/(Delta_S lambda'^2)",
            f"{VALLEY}.local_ratio",
            True,
            "ratio of <D_yy> and <D_xx>, without their correlation",
        ),
        Statement(
            "L_SGD = Delta (1-kappa) ln F + (kappa-1) L0 with the local kappa",
            f"{VALLEY}.sgd_loss",
            True,
            "as a formula; the slope of ln P along the valley is 4 times that of this reading",
        ),
    ]


# %% [markdown]
# ## Stability at fixed x
# `y' = (1 - eta lambda - eta lambda' s_x) y - eta lambda s_y`. The mean of `y^2` is affine, its
# fixed point the variance across. For the Lyapunov exponent let `f(m, b) = E ln |m + b Z|`, Z
# normal. Gaussian integration by parts gives `f_b = b f_mm`, and scaling `f = ln b + F(m/b)`:
# together `F'' + u F' = 1`, with `F'(0) = 0` and `F(0) = E ln |Z|`.


# %%
def mean_square() -> list[Statement]:
    s_x, s_y = sp.symbols("s_x s_y", real=True)
    new = (1 - eta * curvature - eta * slope * s_x) * y - eta * curvature * s_y
    mean = normal_mean(new, s_x, s_y)
    assert_zero(mean / y + 1 + valley.linear_boundary(eta))  # leaves (-1, 1) at eta lambda = 2
    poly = sp.Poly(normal_mean(new**2, s_x, s_y).subs(sigma, Delta / eta), y)
    growth, source = poly.coeff_monomial(y**2), poly.coeff_monomial(1)
    assert_zero(growth - 1 - valley.mean_square_boundary(eta))
    assert_zero(source / (1 - growth) - valley.variance_across(eta))
    criterion = eta * curvature / 2 + 1 / valley.local_ratio() - 1
    assert_zero(valley.mean_square_boundary(eta) / (2 * eta * curvature) - criterion)
    return [
        Statement("mean of y converges for eta lambda < 2", f"{VALLEY}.linear_boundary", True),
        Statement(
            "<y^2> is finite for eta lambda/2 + 1/kappa < 1, kappa = 2 lambda/(Delta_S lambda'^2)",
            f"{VALLEY}.mean_square_boundary",
            True,
            "x fixed",
        ),
        Statement(
            "<y^2> = (Delta_S lambda/2)/(1 - eta lambda/2 - 1/kappa)",
            f"{VALLEY}.variance_across",
            True,
            "x fixed",
        ),
    ]


def lyapunov() -> list[Statement]:
    u, b, Z, r = sp.symbols("u b Z r", positive=True)
    n = sp.Symbol("n", integer=True, nonnegative=True)
    rising, half = sp.RisingFactorial, sp.Rational(3, 2)
    # (r 2F2(1, 1; 3/2, 2; -r))' = 1F1(1; 3/2; -r), term by term.
    term = (-1) ** n * rising(1, n) ** 2 / rising(half, n) / rising(2, n) / sp.factorial(n)
    left = sp.diff(r ** (n + 1) * term, r)
    right = (-1) ** n * r**n / rising(half, n)
    assert_zero(sp.gammasimp((left / right).rewrite(sp.gamma)) - 1)
    kummer = sp.hyperexpand(sp.hyper([1], [half], -r))
    first = u * kummer.subs(r, u**2 / 2)  # F'(u)
    assert_zero(sp.diff(first, u) + u * first - 1)
    assert sp.limit(first, u, 0) == 0
    density = sp.exp(-(Z**2) / 2) * sp.sqrt(2 / sp.pi)
    at_zero = sp.integrate(sp.log(Z) * density, (Z, 0, sp.oo))
    exponent = RandomShiftValley(1 - u * b + b * x, 0, 1).lyapunov_exponent(1).subs(x, 0)
    series = u**2 / 2 * sp.hyper([1, 1], [half, 2], -(u**2) / 2)
    assert_zero(exponent - sp.log(b) - at_zero - series)
    return [
        Statement(
            "E ln |m + b Z| = ln b - (gamma_E + ln 2)/2 + (u^2/2) 2F2(1, 1; 3/2, 2; -u^2/2), "
            "u = m/b",
            f"{VALLEY}.lyapunov_exponent",
            True,
            "m = 1 - eta lambda, b^2 = eta Delta_S lambda'^2",
        )
    ]


# %%
def derive() -> list[Statement]:
    return [*covariance(), *elimination(), *local_ratio(), *mean_square(), *lyapunov()]
