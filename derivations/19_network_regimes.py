# %% [markdown]
# # The diagonal network: limits, moments, the transition
#
# Of the densities of derivation 13: both ends, modes, the variance at depth 0, and what the second
# order in the learning rate does to the critical temperature.

# %%
from __future__ import annotations

import sympy as sp

from derivations._algebra import assert_zero
from derivations._diagonal_network import (
    NETWORK,
    T,
    a1,
    a2,
    a3,
    b1,
    b2,
    gamma,
    network,
    r,
    v,
)
from derivations._report import Statement

# %% [markdown]
# ## Near zero and far out
# At depth 1 `ln v` has the drift `4 (beta2 - gamma - T alpha3)` and the noise `8 T alpha3` near 0.
# At depth 2 and more the integral itself diverges there, with the sign of `beta2`, or of `-gamma`.


# %%
def limits() -> list[Statement]:
    model, deep = network(1), network(2)
    drift, tensor = model.diffusion().drift[0], model.diffusion().tensor[0]
    exponent = sp.limit(sp.cancel(sp.expand(drift / v - tensor / v**2)), v, 0)
    assert_zero(exponent - model.lyapunov_exponent())
    critical = model.critical_temperature()
    assert_zero(exponent.subs(T, critical))
    power = sp.limit(sp.cancel(v * (drift - sp.diff(tensor, v)) / tensor), v, 0)
    assert_zero(power - ((b2 - gamma) / (T * a3) - 3) / 2)
    assert_zero(power.subs(T, critical) + 1)
    in_r = {v: r**3}
    work = ((deep.diffusion().drift[0] - sp.diff(deep.diffusion().tensor[0], v)).subs(in_r)) / (
        deep.diffusion().tensor[0].subs(in_r)
    )
    # d ln p/dr = 3 r^2 work: -> -(2 gamma/(3 ..)) r^-3, without decay beta2 r^-2/(T alpha3).
    leading = sp.limit(sp.simplify(3 * r**2 * work * r**3), r, 0)
    assert_zero(leading + gamma / (T * a3))
    free = sp.simplify((3 * r**2 * work * r**2).subs(gamma, 0))
    assert_zero(sp.limit(free, r, 0) - b2 / (T * a3))
    for depth in (1, 2, 3):
        n = depth + 1
        sized = network(depth).diffusion()
        slope = (sized.drift[0] - sp.diff(sized.tensor[0], v)) / sized.tensor[0]
        tail = sp.limit(sp.simplify((v * slope).subs(v, r**n)), r, sp.oo)
        assert_zero(tail - network(depth).tail_exponent())
    flat = network(0).diffusion()
    tail = sp.limit(
        sp.cancel(v * (flat.drift[0] - sp.diff(flat.tensor[0], v)) / flat.tensor[0]), v, sp.oo
    )
    assert_zero(tail - network(0).tail_exponent())
    assert_zero(tail.subs(T, network(0).variance_divergence()) + 3)
    return [
        Statement(
            "depth 1: ln v grows at 4 (beta2 - gamma - T alpha3) near 0",
            f"{NETWORK}.lyapunov_exponent",
            True,
        ),
        Statement(
            "depth 1: p ~ v^(b/(2 T alpha3) - 3/2) at 0, T_c = b/alpha3 with b = beta2 - gamma",
            f"{NETWORK}.critical_temperature",
            True,
        ),
        Statement(
            "depth 2: ln p -> -beta2/(T alpha3 r) at 0, normalisable at every T; with weight decay "
            "ln p -> +gamma/(2 T alpha3 r^2), at none",
            f"{NETWORK}.critical_temperature",
            True,
        ),
        Statement(
            "p ~ v^-(5 - 3/(depth + 1)) far out; depth 0: v^(-2 - (beta1 + gamma)/(T alpha1))",
            f"{NETWORK}.tail_exponent",
            True,
            "depth to 3",
        ),
    ]


# %%
def modes_and_moments() -> list[Statement]:
    for depth in (0, 1):
        model = network(depth)
        reduced = model.diffusion()
        zero = (reduced.drift[0] - sp.diff(reduced.tensor[0], v)).subs(v, model.mode())
        assert_zero(sp.simplify(sp.expand(zero)))
    # E[L v^m] = 0 at depth 0.
    first, second = sp.symbols("m1 m2")
    flat = network(0, decay=sp.S.Zero).diffusion()
    drift, tensor = flat.drift[0], flat.tensor[0]
    moments = {v: first, v**2: second}
    equations = [
        sp.expand(e).subs(v**2, second).subs(v, first) for e in (drift, 2 * v * drift + 2 * tensor)
    ]
    solution = sp.solve(equations, list(moments.values()), dict=True)[0]
    variance = sp.factor(solution[second] - solution[first] ** 2)
    at_minimum = a1 * (b2 / b1) ** 2 - 2 * a2 * b2 / b1 + a3
    assert_zero(sp.simplify(variance - T * at_minimum / (b1 - T * a1)))
    return [
        Statement(
            "depth 1: mode = [-(beta1 - 10 alpha2 T) + sqrt((beta1 - 10 alpha2 T)^2 + 28 alpha1 T "
            "(beta2 - gamma - 3 alpha3 T))]/(14 alpha1 T)",
            f"{NETWORK}.mode",
            True,
        ),
        Statement(
            "depth 0: Var v = T G(beta2/beta1)/(beta1 - T alpha1), infinite from T = beta1/alpha1",
            f"{NETWORK}.variance_divergence",
            True,
        ),
    ]


# %% [markdown]
# ## The second order in the learning rate
# The drift `-grad(L + (eta/4) |grad L|^2)` of order 2 adds `-2 eta b^2 theta` near 0, like a weight
# decay `eta b^2`; with `eta = B T` that moves T_c to `b/(alpha3 + B b^2)`. The iteration itself
# multiplies a balanced weight near 0 by `1 + X`, `X = 2 eta mean(xy)`, and collapses where
# `E ln|1 + X| < 0`. Both begin with `E X = E X^2/2`; the next order of the logarithm, here for
# normal X, is as large as what the second-order drift adds.


# %%
def second_order() -> list[Statement]:
    batch, b, eta = sp.symbols("B b eta", positive=True)
    u, w = sp.symbols("u w", positive=True)
    loss = b1 * (u * w) ** 2 - 2 * b * u * w
    slope = sp.Matrix([sp.diff(loss, u), sp.diff(loss, w)])
    modified = loss + eta / 4 * (slope.T * slope)[0]
    near = sp.limit(sp.diff(modified, u).subs(w, u) / u, u, 0)
    assert_zero(near - (-2 * b + 2 * eta * b**2))
    net = network(1, decay=sp.S.Zero)
    critical = net.critical_temperature(order=2, batch_size=batch)
    effective = (b2 - eta * b2**2 - T * a3).subs(eta, batch * T)
    assert_zero(effective.subs(T, critical))
    # E ln(1 + X) for a normal X of mean m and variance s2, both of order epsilon, to order 2.
    eps, m, s2 = sp.symbols("epsilon m s2", positive=True)
    x = sp.Symbol("x")
    series = sp.series(sp.log(1 + x), x, 0, 5).removeO()
    normal = {1: m, 2: m**2 + s2, 3: m**3 + 3 * m * s2, 4: m**4 + 6 * m**2 * s2 + 3 * s2**2}
    growth = sum(series.coeff(x, k) * normal[k] for k in normal).subs({m: eps * m, s2: eps * s2})
    growth = sp.series(sp.expand(growth), eps, 0, 3).removeO()
    assert_zero(growth - eps * (m - s2 / 2) - eps**2 * (m * s2 - m**2 / 2 - 3 * s2**2 / 4))
    ratio = sp.Symbol("rho", positive=True)  # b^2 B/alpha3
    shift = sp.Symbol("shift")
    rate = b / (a3 / batch) * (1 - shift * ratio)
    values = {m: 2 * rate * b, s2: 4 * rate**2 * a3 / batch, eps: 1}
    expanded = growth.subs(values).subs(b, sp.sqrt(ratio * a3 / batch))
    leading = sp.series(sp.expand(expanded), ratio, 0, 3).removeO().coeff(ratio, 2)
    assert sp.solve(leading, shift) == [3]
    drift_only = sp.series(
        critical.subs(b2, sp.sqrt(ratio * a3 / batch)) * a3 / sp.sqrt(ratio * a3 / batch),
        ratio,
        0,
        2,
    ).removeO()
    assert_zero(drift_only - (1 - ratio))
    return [
        Statement(
            "second-order drift: T_c = b/(alpha3 + B b^2), b = beta2 - gamma",
            f"{NETWORK}.critical_temperature",
            True,
        ),
        Statement(
            "SGD itself collapses where E ln|1 + 2 eta mean(xy)| < 0; normal noise: T_c alpha3/b "
            "= 1 - 3 B b^2/alpha3 + .., for the second-order drift 1 - B b^2/alpha3 + ..",
            f"{NETWORK}.critical_temperature",
            True,
        ),
    ]


# %%
def derive() -> list[Statement]:
    """Run every proof of this file."""
    return [*limits(), *modes_and_moments(), *second_order()]
