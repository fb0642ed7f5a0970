# %% [markdown]
# # The modified equation of order 2
#
# A function f of the state changes in one step of SGD by `E f(theta - eta (grad L + xi))`, and in
# the time eta of a diffusion with generator `G f = A . grad f + D : grad grad f` by `exp(eta G) f`.
# Both are expanded in eta for arbitrary L, C and f of two variables.

# %%
from __future__ import annotations

from itertools import product

import sympy as sp

import fokkerplanck as fpk
from derivations._algebra import arbitrary, assert_zero
from derivations._report import Statement

x, y = sp.symbols("x y", real=True)
variables = (x, y)
eta, h, c = sp.symbols("eta h c", positive=True)

loss = arbitrary("L", x, y)
covariance = sp.Matrix(2, 2, lambda i, j: arbitrary(f"C_{min(i, j)}{max(i, j)}", x, y))
f = arbitrary("f", x, y)
slope = sp.Matrix([loss.diff(v) for v in variables])
hessian = slope.jacobian(variables)
noise = fpk.noise.Covariance(covariance)
sgd = fpk.SGD(loss, variables, noise, learning_rate=eta, order=2)


def contract(tensor: dict[tuple[int, ...], sp.Expr], function: sp.Expr) -> sp.Expr:
    """``T_i..k d_i .. d_k f``."""
    return sum(
        (
            factor * sp.diff(function, *(variables[i] for i in indices))
            for indices, factor in tensor.items()
        ),
        sp.S.Zero,
    )


def generator(drift: sp.MatrixBase, tensor: sp.MatrixBase, function: sp.Expr) -> sp.Expr:
    """``A . grad f + D : grad grad f``."""
    first = contract({(i,): drift[i] for i in range(2)}, function)
    return first + contract(
        {(i, j): tensor[i, j] for i, j in product(range(2), repeat=2)}, function
    )


# %% [markdown]
# ## One step of SGD to the third order
# `E[xi] = 0`, `E[xi xi^T] = C`, third cumulant T.


# %%
def third_cumulant(indices: tuple[int, ...]) -> sp.Expr:
    return arbitrary("T_" + "".join(map(str, sorted(indices))), x, y)


def one_step() -> list[sp.Expr]:
    """Coefficients of eta^0 .. eta^3 of ``E f(theta - eta (grad L + xi))``."""
    first = {(i,): -slope[i] for i in range(2)}
    second = {
        (i, j): (slope[i] * slope[j] + covariance[i, j]) / 2 for i, j in product(range(2), repeat=2)
    }
    third = {
        (i, j, k): -(
            slope[i] * slope[j] * slope[k]
            + slope[i] * covariance[j, k]
            + slope[j] * covariance[k, i]
            + slope[k] * covariance[i, j]
            + third_cumulant((i, j, k))
        )
        / 6
        for i, j, k in product(range(2), repeat=3)
    }
    return [f, *(contract(tensor, f) for tensor in (first, second, third))]


# %% [markdown]
# ## The package's generator, and its exponential
# `G = G_0 + eta G_1 + eta^2 G_2 + ...` from the coefficients of eta in `sgd.diffusion()`.


# %%
def coefficients() -> list[tuple[sp.Matrix, sp.Matrix]]:
    """Drift and tensor of the package at eta^0, eta^1, eta^2."""
    model = sgd.diffusion()

    def part(matrix: sp.MatrixBase, power: int) -> sp.Matrix:
        return sp.Matrix(matrix).applyfunc(lambda e: sp.expand(e).coeff(eta, power))

    return [(part(model.drift, power), part(model.tensor, power)) for power in range(3)]


def flow() -> list[sp.Expr]:
    """Coefficients of eta^0 .. eta^3 of ``exp(eta G) f``."""
    g0, g1, g2 = (
        lambda function, drift=drift, tensor=tensor: generator(drift, tensor, function)
        for drift, tensor in coefficients()
    )
    once = g0(f)
    twice = g0(once)
    return [
        f,
        once,
        g1(f) + twice / 2,
        g2(f) + (g0(g1(f)) + g1(once)) / 2 + g0(twice) / 6,
    ]


# %% [markdown]
# ## Orders eta and eta^2 agree
# for every f: the drift is `-grad(L + (eta/4)|grad L|^2)` and `D = (eta/2) C` to first order. The
# local error is of order eta^3, the error at a fixed time of order eta^2.
#
# ## Order eta^3 shows what the tensor's next term is
# What is left of it is
#
#     a . grad f + (1/4) (grad L . grad) C_ij d_i d_j f - (1/6) T_ijk d_i d_j d_k f
#
# without `(1/4) (H C + C H)`: the package's tensor holds that term. Neglected are the drift `a` of
# order eta^2, the change of C along the step, and the skewness T, which no diffusion can have.


# %%
def match_orders() -> list[Statement]:
    step, package = one_step(), flow()
    for order in range(3):
        assert_zero(sp.expand(step[order] - package[order]))
    rest = sp.expand(step[3] - package[3])
    for indices in product(range(2), repeat=3):
        rest += third_cumulant(indices) / 6 * sp.diff(f, *(variables[i] for i in indices))
    for i, j in product(range(2), repeat=2):
        change = sum(slope[k] * sp.diff(covariance[i, j], v) for k, v in enumerate(variables))
        rest -= change / 4 * sp.diff(f, variables[i], variables[j])
    # The drift of order eta^2: -(1/3) H^2 g - (1/12) g.(grad H).g + (1/4) C : grad grad g
    for i in range(2):
        third = [
            (
                slope[j] * slope[k] / 12 - covariance[j, k] / 4,
                sp.diff(slope[i], variables[j], variables[k]),
            )
            for j, k in product(range(2), repeat=2)
        ]
        neglected = -(hessian * hessian * slope)[i] / 3 - sum(a * b for a, b in third)
        rest -= neglected * sp.diff(f, variables[i])
    assert_zero(sp.expand(rest))
    stretch = sp.eye(2) + eta / 2 * hessian
    square = stretch * covariance * stretch
    linear = covariance + eta / 2 * (hessian * covariance + covariance * hessian)
    assert_zero((square - linear - eta**2 / 4 * hessian * covariance * hessian).expand())
    model = sgd.diffusion()
    assert_zero((sp.Matrix(model.tensor) - eta / 2 * square).expand())
    modified = loss + eta / 4 * (slope.T * slope)[0]
    assert_zero(
        (sp.Matrix(model.drift) + sp.Matrix([modified.diff(v) for v in variables])).expand()
    )
    return [
        Statement(
            "E f(one step) = exp(eta G) f + O(eta^3), A = -grad(L + (eta/4)|grad L|^2)",
            "fokkerplanck.SGD.diffusion",
            True,
            "order 2; arbitrary L, C and f of two variables",
        ),
        Statement(
            "D = (eta/2)(1 + eta H/2) C (1 + eta H/2) = (eta/2)(C + (eta/2)(H C + C H)) + O(eta^3)",
            "fokkerplanck.SGD.diffusion",
            True,
            "neglects (eta^2/4)(grad L . grad) C, which vanishes where grad L or grad C does",
        ),
        Statement(
            "drift of order eta^2: -H^2 g/3 - g.(grad H).g/12 + C : grad grad g/4, g = grad L",
            "fokkerplanck.SGD.diffusion",
            True,
            "of order 3, so not included",
        ),
    ]


# %% [markdown]
# ## Stationary variance in a quadratic valley `L = h x^2/2`
# One step multiplies x by `1 - eta h`: `S = (1 - eta h)^2 S + eta^2 c`. Each diffusion's variance
# is the inverse of its potential's curvature.


# %%
def quadratic() -> list[Statement]:
    S = sp.Symbol("S", positive=True)
    valleys = {
        order: fpk.SGD(h * x**2 / 2, (x,), fpk.noise.Isotropic(c), learning_rate=eta, order=order)
        for order in (1, 2)
    }
    multiplier = sp.diff(valleys[1].step_mean[0], x)
    assert_zero(multiplier - (1 - eta * h))
    exact = sp.solve(multiplier**2 * S + valleys[1].step_covariance[0] - S, S)[0]
    assert_zero(exact - eta * c / (h * (2 - eta * h)))

    def ratio(model: fpk.Diffusion) -> sp.Expr:
        return sp.cancel(1 / sp.diff(model.potential(), x, 2) / exact)

    drift = -sp.diff(h * x**2 / 2 + eta / 4 * (h * x) ** 2, x)
    plain_tensor = ratio(fpk.Diffusion((x,), [drift], [[eta / 2 * c]]))
    assert_zero(ratio(valleys[1].diffusion()) - (1 - eta * h / 2))
    assert_zero(plain_tensor - (2 - eta * h) / (2 + eta * h))
    assert_zero(ratio(valleys[2].diffusion()) - (1 - (eta * h / 2) ** 2))
    return [
        Statement(
            "S = eta c/(h (2 - eta h)) for SGD itself", "fokkerplanck.SGD.step_covariance", True
        ),
        Statement(
            "variance over that of SGD: order 1 gives 1 - eta h/2, order 2 gives 1 - (eta h/2)^2",
            "fokkerplanck.SGD.diffusion",
            True,
        ),
        Statement(
            "order-2 drift with D = (eta/2) C gives (2 - eta h)/(2 + eta h), worse than order 1",
            "fokkerplanck.SGD.diffusion",
            True,
        ),
    ]


# %% [markdown]
# ## Several directions, C not commuting with H
# In the eigenbasis of H the stationary covariance of SGD is `eta C_ij/(h_i + h_j - eta h_i h_j)`
# (derivation 04). That of order 2 differs by a relative eta^2, that of order 1 by a relative eta.


# %%
def non_commuting() -> list[Statement]:
    a, b = sp.symbols("h_1 h_2", positive=True)
    exact = 1 / (a + b - eta * a * b)
    constant = sp.Matrix([[c, sp.Symbol("q")], [sp.Symbol("q"), sp.Symbol("r", positive=True)]])
    quadratic_loss = (a * x**2 + b * y**2) / 2
    errors = []
    for order in (1, 2):
        model = fpk.SGD(
            quadratic_loss,
            variables,
            fpk.noise.Covariance(constant),
            learning_rate=eta,
            order=order,
        ).diffusion()
        relaxation = -sp.Matrix(model.drift).jacobian(variables)
        assert relaxation.is_diagonal()
        covariances = sp.Matrix(
            2, 2, lambda i, j, m=model, r=relaxation: 2 * m.tensor[i, j] / (r[i, i] + r[j, j])
        )
        lyapunov = (
            relaxation * covariances + covariances * relaxation.T - 2 * sp.Matrix(model.tensor)
        )
        assert_zero(lyapunov)
        relative = covariances[0, 1] / (eta * constant[0, 1] * exact) - 1
        errors.append(sp.series(sp.cancel(relative), eta, 0, 3).removeO())
    assert_zero(errors[0].coeff(eta, 1) + a * b / (a + b))
    assert_zero(errors[1].coeff(eta, 1))
    assert sp.simplify(errors[1].coeff(eta, 2)) != 0
    return [
        Statement(
            "stationary covariance relative to SGD's: order 1 off by eta h_i h_j/(h_i + h_j), "
            "order 2 by O(eta^2), for every C",
            "fokkerplanck.SGD.diffusion",
            True,
            "quadratic loss",
        ),
    ]


# %%
def derive() -> list[Statement]:
    return [*match_orders(), *quadratic(), *non_commuting()]
