# %% [markdown]
# # SGD with momentum in phase space
#
# `v' = beta v - (grad L + xi)`, `theta' = theta + eta v'`. In time `t = eta * steps`
#
#     d theta = v dt,    dv = -(grad L + (1 - beta) v)/eta dt + sqrt(C/eta) dW
#
# With `eta = s^2`, `v = u/s` and `1 - beta = s Gamma` one step is one of length s, in the time
# `s * steps`, of a particle of mass 1 with friction Gamma: the limit of small steps keeps Gamma.

# %%
from __future__ import annotations

import sympy as sp

import fokkerplanck as fpk
from derivations._algebra import arbitrary, assert_zero, fokker_planck
from derivations._report import Statement

x, y, v, w = sp.symbols("x y v w", real=True)
eta, beta, c, h, s, gamma = sp.symbols("eta beta c h s Gamma", positive=True)
loss = arbitrary("L", x, y)
covariance = sp.Matrix(2, 2, lambda i, j: arbitrary(f"C_{min(i, j)}{max(i, j)}", x, y))
slope = sp.Matrix([loss.diff(x), loss.diff(y)])


def momentum(noise: fpk.noise.Noise) -> fpk.Momentum:
    """Heavy-ball SGD in the plane."""
    return fpk.Momentum(loss, (x, y), noise, learning_rate=eta, momentum=beta, velocities=(v, w))


# %% [markdown]
# ## The coefficients from one step
# Mean and covariance of the step, in the scaled variables (theta, u), divided by its length s: for
# s -> 0 they are the drift and twice the tensor of the package, scaled alike. The noise of a step
# of u is `s^2 C`, so the tensor is `s C/2`; it stays finite when C grows as 1/s, so C = K/s.


# %%
def coefficients() -> list[Statement]:
    optimizer = momentum(fpk.noise.Covariance(covariance))
    mean = sp.Matrix(optimizer.step_mean) - sp.Matrix([x, y, v, w])
    spread = sp.Matrix(optimizer.step_covariance)
    model = optimizer.diffusion()
    unscaled = {eta: s**2, beta: 1 - s * gamma, v: v / s, w: w / s}
    to_u = sp.diag(1, 1, s, s)

    def scaled(matrix: sp.MatrixBase) -> sp.Matrix:
        return sp.Matrix(matrix).subs(unscaled, simultaneous=True)

    # eta = s^2: a rate per t = eta steps is s times smaller than one per s steps.
    package_drift = (to_u * scaled(model.drift) * s).expand()
    package_tensor = (to_u * scaled(model.tensor) * to_u * s).expand()
    step_drift = (to_u * scaled(mean) / s).expand()
    step_tensor = (to_u * scaled(spread) * to_u / (2 * s)).expand()
    expected = sp.Matrix([v, w, *(-slope - gamma * sp.Matrix([v, w]))])
    assert_zero(package_drift - expected)
    assert_zero(step_drift.subs(s, 0) - expected)
    per_s = (package_tensor / s).expand()
    assert_zero(per_s - sp.diag(sp.zeros(2), covariance / 2))
    assert_zero((step_tensor / s).expand().subs(s, 0) - per_s)
    return [
        Statement(
            "d theta = v dt, dv = -(grad L + (1 - beta) v)/eta dt + sqrt(C/eta) dW",
            "fokkerplanck.Momentum.diffusion",
            True,
            "eta -> 0 at fixed (1 - beta)/sqrt(eta) and sqrt(eta) C",
        ),
    ]


# %% [markdown]
# ## Equilibrium for isotropic noise
# `C = c I` with constant c: `p = exp(-2 (1-beta)/c (L/eta + |v|^2/2))` for every loss. Positions
# have the Gibbs density of temperature `eta c/(2 (1 - beta))`, that of SGD at the learning rate
# `eta/(1 - beta)`.


# %%
def equilibrium() -> list[Statement]:
    model = momentum(fpk.noise.Isotropic(c)).diffusion()
    energy = loss / eta + (v**2 + w**2) / 2
    density = sp.exp(-2 * (1 - beta) / c * energy)
    assert_zero(fokker_planck(model, density) / density)

    faster = eta / (1 - beta)
    sgd = fpk.SGD(loss, (x, y), fpk.noise.Isotropic(c), learning_rate=faster)
    positions = density.subs({v: 0, w: 0})
    assert_zero(fokker_planck(sgd.diffusion(), positions) / positions)
    return [
        Statement(
            "p = exp(-2 (1 - beta)/c (L/eta + |v|^2/2)) for C = c I",
            "fokkerplanck.Momentum.diffusion",
            True,
            "any loss of two variables",
        ),
        Statement(
            "momentum beta at eta has the Gibbs density of SGD at eta/(1 - beta)",
            "fokkerplanck.Momentum.diffusion",
            True,
            "C = c I; the diffusions",
        ),
    ]


# %% [markdown]
# ## What the diffusion leaves out: the quadratic `L = h x^2/2`
# The covariance of one step's linear map is solved exactly. The variance of x over the diffusion's
# `eta c/(2 (1 - beta) h)` is `2 (1 + beta)/(2 (1 + beta) - eta h)`: the error is of first order in
# `eta h`, and diverges at the threshold `eta h = 2 (1 + beta)` of heavy-ball descent.


# %%
def quadratic() -> list[Statement]:
    heavy_ball = fpk.Momentum(
        h * x**2 / 2,
        (x,),
        fpk.noise.Isotropic(c),
        learning_rate=eta,
        momentum=beta,
        velocities=(v,),
    )
    step = sp.Matrix(heavy_ball.step_mean).jacobian((x, v))
    entries = sp.symbols("S_xx S_xv S_vv", real=True)
    matrix = sp.Matrix([[entries[0], entries[1]], [entries[1], entries[2]]])
    balance = step * matrix * step.T + sp.Matrix(heavy_ball.step_covariance) - matrix
    found = sp.solve(list(balance), entries, dict=True)[0]
    gibbs = eta * c / (2 * (1 - beta) * h)
    assert_zero(found[entries[0]] / gibbs - 2 * (1 + beta) / (2 * (1 + beta) - eta * h))
    model = heavy_ball.diffusion()
    rates = sp.Matrix(model.drift).jacobian((x, v))
    lyapunov = sp.diag(gibbs, c / (2 * (1 - beta)))
    assert_zero(rates * lyapunov + lyapunov * rates.T + 2 * sp.Matrix(model.tensor))
    return [
        Statement(
            "S_xx = eta c/(2 (1 - beta) h) 2 (1 + beta)/(2 (1 + beta) - eta h) in discrete steps",
            "fokkerplanck.Momentum.step_covariance",
            True,
            "quadratic loss; the diffusion has the first factor",
        ),
    ]


# %%
def derive() -> list[Statement]:
    return [*coefficients(), *equilibrium(), *quadratic()]
