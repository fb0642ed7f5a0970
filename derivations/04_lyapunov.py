# %% [markdown]
# # Stationary covariance of SGD at a finite learning rate
#
# Near a minimum `L = theta^T H theta/2` with constant C, one step is `theta' = (1 - eta H) theta -
# eta xi`. The covariance obeys `S' = (1 - eta H) S (1 - eta H) + eta^2 C`, at rest
#
#     H S + S H - eta H S H = eta C        (K. Liu, L. Ziyin and M. Ueda, ICML 2021)
#
# for any distribution of xi. For eta -> 0 this is the Lyapunov equation of the diffusion.

# %%
from __future__ import annotations

import sympy as sp

import fokkerplanck as fpk
from derivations._algebra import assert_zero
from derivations._report import Statement

x, y = sp.symbols("x y", real=True)
eta = sp.Symbol("eta", positive=True)


def symmetric(name: str) -> sp.Matrix:
    """A symmetric 2 by 2 matrix of symbols."""
    return sp.Matrix(
        2, 2, lambda i, j: sp.Symbol(f"{name}_{min(i, j) + 1}{max(i, j) + 1}", real=True)
    )


H, C, S = symmetric("H"), symmetric("C"), symmetric("S")


def minimum(curvature: sp.Matrix, order: int = 1) -> fpk.SGD:
    """SGD at a quadratic minimum."""
    theta = sp.Matrix([x, y])
    loss = (theta.T * curvature * theta)[0] / 2
    return fpk.SGD(loss, (x, y), fpk.noise.Covariance(C), learning_rate=eta, order=order)


# %% [markdown]
# ## The recursion, from the package's step
# Its mean is linear in theta; its covariance does not depend on theta. So `S' = M S M^T + Q`.


# %%
def recursion() -> list[Statement]:
    sgd = minimum(H)
    multiplier = sp.Matrix(sgd.step_mean).jacobian((x, y))
    assert_zero(multiplier - (sp.eye(2) - eta * H))
    added = sp.Matrix(sgd.step_covariance)
    change = multiplier * S * multiplier.T + added - S
    assert_zero(change + eta * (H * S + S * H - eta * H * S * H - eta * C))
    return [
        Statement(
            "H S + S H - eta H S H = eta C",
            "fokkerplanck.SGD.step_covariance",
            True,
            "quadratic loss, C constant, 2 by 2",
        ),
    ]


# %% [markdown]
# ## Its solution
# In the eigenbasis of H: `S_ij = eta C_ij/(h_i + h_j - eta h_i h_j)`. The entry ij of the recursion
# contracts by `(1 - eta h_i)(1 - eta h_j)` each step: stable, and the solution unique, when every
# `|1 - eta h_i| < 1`, that is `0 < eta h_i < 2`. A rotation of H, C and S together keeps the
# equation, so the eigenbasis is no restriction.


# %%
def solution() -> list[Statement]:
    h = sp.symbols("h_1 h_2", positive=True)
    diagonal = sp.diag(*h)
    found = sp.Matrix(2, 2, lambda i, j: eta * C[i, j] / (h[i] + h[j] - eta * h[i] * h[j]))
    equation = diagonal * found + found * diagonal - eta * diagonal * found * diagonal - eta * C
    assert_zero(equation)
    multiplier = sp.Matrix(minimum(diagonal).step_mean).jacobian((x, y))
    step = (multiplier * S * multiplier.T).expand()
    for i in range(2):
        for j in range(2):
            contraction = (1 - eta * h[i]) * (1 - eta * h[j])
            assert_zero(step[i, j] - contraction * S[i, j])
            assert_zero(1 - contraction - eta * (h[i] + h[j] - eta * h[i] * h[j]))
    return [
        Statement(
            "S_ij = eta C_ij/(h_i + h_j - eta h_i h_j) in the eigenbasis of H, 0 < eta h_i < 2",
            "fokkerplanck.SGD.step_covariance",
            True,
            "unique: every entry of the recursion contracts",
        ),
    ]


# %% [markdown]
# ## The diffusion's covariance is the limit of small steps
# With `A = -K theta` and D constant the stationary covariance solves `K S + S K^T = 2 D`. At order
# 1 that is the equation above without its term in eta^2.


# %%
def continuous_time() -> list[Statement]:
    model = minimum(H).diffusion()
    relaxation = -sp.Matrix(model.drift).jacobian((x, y))
    precision = S.adjugate() / S.det()
    theta = sp.Matrix([x, y])
    gaussian = sp.exp(-(theta.T * precision * theta)[0] / 2)
    # d_i J_i for p = exp(-theta^T S^-1 theta/2) vanishes for every theta, given the equation.
    current = relaxation * theta * gaussian
    for i in range(2):
        current[i] += sum(model.tensor[i, j] * sp.diff(gaussian, v) for j, v in enumerate((x, y)))
    divergence = sp.diff(current[0], x) + sp.diff(current[1], y)
    balance = relaxation * S + S * relaxation.T - 2 * sp.Matrix(model.tensor)
    solved = sp.solve(list(balance), list(C.free_symbols), dict=True)[0]
    assert_zero(sp.expand(sp.simplify((divergence / gaussian).subs(solved))))
    assert_zero(balance - (H * S + S * H - eta * C))
    return [
        Statement(
            "H S + S H = eta C at order 1 of the diffusion",
            "fokkerplanck.SGD.diffusion",
            True,
            "quadratic loss, C constant, 2 by 2",
        ),
    ]


# %%
def derive() -> list[Statement]:
    return [*recursion(), *solution(), *continuous_time()]
