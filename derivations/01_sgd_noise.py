# %% [markdown]
# # SGD: drift and diffusion tensor from the loss of one sample
#
# One step is `theta' = theta - eta ghat`, `ghat = (1/B) sum_i s_i g_i`: `g_i` is the gradient of
# sample i of N, and `s_i` counts how often the batch contains it. Mean and covariance of `ghat`
# follow from those of the counts; the coefficients of Kramers and Moyal from the step's moments.

# %%
from __future__ import annotations

from itertools import combinations, product

import sympy as sp

import fokkerplanck as fpk
from derivations._algebra import arbitrary, assert_zero
from derivations._report import Statement
from fokkerplanck.model.samples import SampleMean

N, B = sp.symbols("N B", integer=True, positive=True)
eta = sp.Symbol("eta", positive=True)
second, mean_a, mean_b = sp.symbols("G_ab m_a m_b", real=True)


# %% [markdown]
# ## Covariance of a minibatch's gradient
# All samples being alike, the counts have one variance v and one covariance c between different
# samples. With `sum_i g_ia g_ib = N G_ab` and `sum_i g_ia = N m_a`,
#
#     Cov(ghat_a, ghat_b) = (1/B^2) [(v - c) N G_ab + c N^2 m_a m_b]


# %%
def batch_covariance(variance: sp.Expr, covariance: sp.Expr) -> sp.Expr:
    """One entry of the covariance of ``ghat``, from the moments of the counts."""
    own = (variance - covariance) * N * second
    return (own + covariance * N**2 * mean_a * mean_b) / B**2


def with_replacement() -> list[Statement]:
    # Of the B^2 pairs of draws, B hit one and the same draw; the others are independent.
    mean = B / N
    square = B / N + B * (B - 1) / N**2
    pair = B * (B - 1) / N**2
    entry = batch_covariance(square - mean**2, pair - mean**2)
    assert_zero(entry - (second - mean_a * mean_b) / B)
    return [
        Statement("C = (E[g g^T] - E[g] E[g]^T)/B", "fokkerplanck.SGD.covariance", True),
    ]


# %%
def without_replacement() -> list[Statement]:
    # Of all batches, those that contain one given sample, and two given samples.
    mean = sp.gammasimp(sp.binomial(N - 1, B - 1) / sp.binomial(N, B))
    pair = sp.gammasimp(sp.binomial(N - 2, B - 2) / sp.binomial(N, B))
    assert_zero(mean - B / N)
    assert_zero(pair - B * (B - 1) / (N * (N - 1)))
    entry = batch_covariance(mean - mean**2, pair - mean**2)
    assert_zero(entry - (second - mean_a * mean_b) / B * (N - B) / (N - 1))
    return [
        Statement(
            "C = (E[g g^T] - E[g] E[g]^T)/B (N-B)/(N-1) without replacement",
            "fokkerplanck.noise.PerSample",
            True,
        ),
    ]


# %% [markdown]
# ## The package's covariance, by listing every batch
# Linear regression on four samples, batches of two: the covariance over all 16 ordered draws with
# replacement, and over all 6 subsets.


# %%
def every_batch() -> list[Statement]:
    u, w, z, q = sp.symbols("u w z q", real=True)
    loss = (u * z + w - q) ** 2 / 2
    rows = [(1, 2), (-2, 1), (3, -1), (2, 5)]
    data = {z: [row[0] for row in rows], q: [row[1] for row in rows]}
    gradients = [
        sp.Matrix([loss.diff(u), loss.diff(w)]).subs({z: row[0], q: row[1]}) for row in rows
    ]

    def average(matrices: list[sp.Matrix]) -> sp.Matrix:
        return sum(matrices, start=sp.zeros(*matrices[0].shape)) / len(matrices)

    def over_rows(node: SampleMean) -> sp.Expr:
        values = [node.expression.subs({z: row[0], q: row[1]}) for row in rows]
        return sp.Add(*values) / len(rows)

    full = average(gradients)
    batches = {True: list(product(gradients, repeat=2)), False: list(combinations(gradients, 2))}
    for replacement, drawn in batches.items():
        noise = fpk.noise.PerSample(loss, data, replacement=replacement)
        sgd = fpk.SGD(loss, (u, w), noise, learning_rate=eta, batch_size=2)
        means = [average(list(batch)) for batch in drawn]
        assert_zero(average(means) - full)
        covariance = average([m * m.T for m in means]) - full * full.T
        for package, here in ((sgd.covariance, covariance), (sgd.gradient, full)):
            assert_zero(sp.Matrix(package).replace(_is_mean, over_rows) - here)
    return [
        Statement(
            "E[ghat] = grad L and Cov(ghat) = C over all batches of 2 of 4 samples",
            "fokkerplanck.SGD.covariance",
            True,
            "both ways of drawing",
        ),
    ]


def _is_mean(node: sp.Basic) -> bool:
    return isinstance(node, SampleMean)


# %% [markdown]
# ## Kramers–Moyal coefficients of one step
# In time `t = eta * steps`: `A = E[step]/eta`, `D = Cov(step)/(2 eta)`. (The raw second moment
# holds `(eta/2) grad L grad L^T` besides; that is the drift's own contribution to a finite step,
# derivation 03.) The n-th coefficient, `eta^(n-1) E[(-ghat)^n]/n!`, is of order `eta^(n-1)`.


# %%
def kramers_moyal() -> list[Statement]:
    x, y = sp.symbols("x y", real=True)
    loss = arbitrary("L", x, y)
    matrix = sp.Matrix(2, 2, lambda i, j: arbitrary(f"C_{min(i, j)}{max(i, j)}", x, y))
    sgd = fpk.SGD(loss, (x, y), fpk.noise.Covariance(matrix), learning_rate=eta, batch_size=B)
    step = [sp.Symbol(f"ghat_{i}", real=True) for i in range(2)]
    state = sgd.update(sp.Matrix(step))
    moved = state - sp.Matrix([x, y])
    mean = moved.subs(dict(zip(step, [loss.diff(x), loss.diff(y)], strict=True)))
    response = moved.jacobian(step)
    spread = response * matrix / B * response.T
    assert_zero(sp.Matrix(sgd.step_mean) - sp.Matrix([x, y]) - mean)
    assert_zero(sp.Matrix(sgd.step_covariance) - spread)
    model = sgd.diffusion()
    assert_zero(sp.Matrix(model.drift) - mean / eta)
    assert_zero(sp.Matrix(model.tensor) - spread / (2 * eta))
    assert_zero(sp.Matrix(model.drift) + sp.Matrix([loss.diff(x), loss.diff(y)]))
    assert_zero(sp.Matrix(model.tensor) - eta / 2 * matrix / B)
    return [
        Statement(
            "A = -grad L, D = (eta/2) C in time t = eta steps", "fokkerplanck.SGD.diffusion", True
        ),
    ]


# %%
def derive() -> list[Statement]:
    return [*with_replacement(), *without_replacement(), *every_batch(), *kramers_moyal()]
