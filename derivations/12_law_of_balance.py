# %% [markdown]
# # The law of balance
#
# If every sample's loss is unchanged by `theta -> exp(c A) theta`, A symmetric, then
# `(A theta)^T grad l = 0` (the derivative at c = 0). With `dtheta = -(grad L + 2 gamma theta) dt +
# sqrt(T C) dW`, that is `D = T C/2`, Itô's formula for `Q = theta^T A theta` keeps no noise.

# %%
from __future__ import annotations

import sympy as sp

from derivations._algebra import arbitrary, assert_zero
from derivations._report import Statement
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.noise import Covariance, PerSample
from fokkerplanck.model.symmetry import balance_rate

T, gamma, eta = sp.symbols("T gamma eta", positive=True)
u, w, c = sp.symbols("u w c", real=True)
BALANCE = "fokkerplanck.model.symmetry.balance_rate"


def ito(function: sp.Expr, model: Diffusion) -> tuple[sp.Expr, sp.Expr]:
    """Drift of a function of the variables, and half the variance of its noise."""
    slope = sp.Matrix([function]).jacobian(model.variables)
    bend = (model.tensor * sp.hessian(function, model.variables)).trace()
    return (slope * model.drift)[0] + bend, (slope * model.tensor * slope.T)[0]


# %% [markdown]
# ## Any symmetry
# Three weights, an arbitrary symmetric A and covariance C. What multiplies `grad L` and `C` in the
# drift and in the noise of Q is `A theta`, which both annihilate.


# %%
def any_symmetry() -> list[Statement]:
    theta = sp.Matrix(sp.symbols("theta1:4", real=True))
    entries = sp.symbols("a1:7", real=True), sp.symbols("c1:7", real=True)
    order = [[0, 1, 2], [1, 3, 4], [2, 4, 5]]
    generator, covariance = (sp.Matrix(3, 3, lambda i, j, e=e: e[order[i][j]]) for e in entries)
    slope = sp.Matrix(sp.symbols("g1:4", real=True))
    model = Diffusion(list(theta), -slope - 2 * gamma * theta, T / 2 * covariance)
    charge = (theta.T * generator * theta)[0]
    drift, spread = ito(charge, model)
    direction = generator * theta
    rate = T * (generator * covariance).trace() - 4 * gamma * charge
    assert_zero(drift - rate + 2 * (direction.T * slope)[0])
    assert_zero(spread - 2 * T * (direction.T * covariance * direction)[0])
    # A covariance that annihilates A theta, in the package's function: of sample gradients g with
    # g^T A theta = 0 in the plane, l = f(u w).
    loss, strength = arbitrary("f", u * w), arbitrary("S", u * w, positive=True)
    assert_zero(sp.diff(loss.subs({u: u * sp.exp(c), w: w * sp.exp(-c)}, simultaneous=True), c))
    along = sp.Matrix([w, u])
    noise = Covariance(strength * along * along.T)
    found = balance_rate(loss, sp.diag(1, -1), (u, w), noise, temperature=T, weight_decay=gamma)
    assert_zero(found + (T * strength + 4 * gamma) * (u**2 - w**2))
    descent = -sp.Matrix([sp.diff(loss, u), sp.diff(loss, w)]) - 2 * gamma * sp.Matrix([u, w])
    drift, spread = ito(u**2 - w**2, Diffusion((u, w), descent, T / 2 * strength * along * along.T))
    assert_zero(drift - found)
    assert_zero(spread)
    return [
        Statement("dQ/dt = T tr(A C) - 4 gamma Q, without noise", BALANCE, True),
        Statement(
            "l(u w): d(u^2 - w^2)/dt = -(T Var[dl/d(uw)] + 4 gamma)(u^2 - w^2)", BALANCE, True
        ),
    ]


# %% [markdown]
# ## Two layers of several units
# `l` depends on the products `u_i w_k`; `A_ki = dl/d(u_i w_k)` on two samples of equal weight.


# %%
def two_layers() -> list[Statement]:
    inner, outer = (
        sp.Matrix(sp.symbols("u1:3", real=True)),
        sp.Matrix(sp.symbols("w1:3", real=True)),
    )
    first, second = (sp.Matrix(2, 2, sp.symbols(f"{name}1:5", real=True)) for name in ("a", "b"))
    gradients = [sp.Matrix.vstack(a.T * outer, a * inner) for a in (first, second)]
    mean = (gradients[0] + gradients[1]) / 2
    covariance = sum((g * g.T for g in gradients), sp.zeros(4)) / 2 - mean * mean.T

    def spread(left: sp.Matrix, right: sp.Matrix) -> sp.Matrix:
        """Half the sum of ``left_s right_s`` less the product of the means."""
        return (left * right).applyfunc(sp.expand)

    center = (first + second) / 2
    c1 = spread(first.T, first) / 2 + spread(second.T, second) / 2 - center.T * center
    c2 = spread(first, first.T) / 2 + spread(second, second.T) / 2 - center * center.T
    loss = (outer.T * center * inner)[0]
    rate = balance_rate(
        loss,
        sp.diag(1, 1, -1, -1),
        [*inner, *outer],
        Covariance(covariance.applyfunc(sp.expand)),
        temperature=T,
    )
    assert_zero(rate + T * ((inner.T * c1 * inner)[0] - (outer.T * c2 * outer)[0]))
    return [
        Statement(
            "d(|u|^2 - |w|^2)/dt = -T (u^T C1 u - w^T C2 w), C1 = E[A^T A] - E[A]^T E[A], "
            "C2 = E[A A^T] - E[A] E[A]^T",
            BALANCE,
            True,
            "two units in each layer, two samples",
        )
    ]


# %% [markdown]
# ## Each pair of layers of a deep product, and one step of SGD
# One step changes Q by `eta^2 g^T A g`, without approximation: `T = eta/B` and, from the mean
# gradient, the same term of gradient descent, which is of order `eta` and no part of the diffusion.


# %%
def deep_products() -> list[Statement]:
    weights = sp.symbols("p1:5", real=True)
    y, s = sp.Symbol("y", real=True), sp.Symbol("s", positive=True)
    v = sp.Mul(*weights)
    loss = (v - y) ** 2
    labels = PerSample(loss, {y: {1: 0, 2: s**2}})
    for i, j in ((0, 1), (1, 3)):
        signs = [0] * 4
        signs[i], signs[j] = 1, -1
        rate = balance_rate(loss, sp.diag(*signs), weights, labels, temperature=T)
        first, second = weights[i], weights[j]
        expected = -4 * T * s**2 * v**2 * (first**2 - second**2) / (first * second) ** 2
        assert_zero(sp.cancel(rate - expected))
    theta, g = sp.Matrix(weights[:2]), sp.Matrix([w, u]) * c
    theta = theta.subs(dict(zip(weights[:2], (u, w), strict=True)))
    charge = sp.diag(1, -1)
    step = theta - eta * g
    change = (step.T * charge * step)[0] - (theta.T * charge * theta)[0]
    assert_zero(change - eta**2 * (g.T * charge * g)[0])
    return [
        Statement(
            "product of any depth: d(u_i^2 - u_j^2)/dt = -T Var[dl/dv] v^2 (u_i^2 - u_j^2)"
            "/(u_i u_j)^2",
            BALANCE,
            True,
            "depth 3",
        ),
        Statement("one step of SGD changes Q by eta^2 g^T A g exactly", BALANCE, True),
    ]


# %%
def derive() -> list[Statement]:
    """Run every proof of this file."""
    return [*any_symmetry(), *two_layers(), *deep_products()]
