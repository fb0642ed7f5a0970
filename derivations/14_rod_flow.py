# %% [markdown]
# # Rod flow: thresholds, rods at rest, the missed onset
#
# A step `z' = z + F(z)` with derivative J of F; for gradient descent `F = -eta g`, `J = -eta H`.
# Two successive states are the ends `c -+ delta` of a rod.

# %%
from __future__ import annotations

import numpy as np
import sympy as sp

import fokkerplanck as fpk
from derivations._algebra import arbitrary, assert_zero
from derivations._report import Statement
from fokkerplanck.systems.edge_of_stability import MinimalProblem, Quadratic, Quartic

flows = fpk.flows
x, y, w, t, z = sp.symbols("x y w t z", real=True)
eta, S, Q, epsilon, beta = sp.symbols("eta S Q epsilon beta", positive=True)

# %% [markdown]
# ## Two steps, exactly
# With `z-` and `z+ = z- + F(z-)` the next state is `z+ + F(z+)`. The centre moves by the mean of F
# at the ends, and the outer products of two successive half-rods add up to the mean of `F F^T/2`.


# %%
def two_steps() -> list[Statement]:
    first, second = sp.Matrix([x, y]), sp.Matrix(sp.symbols("x_1 y_1", real=True))
    low = sp.Matrix([arbitrary(f"F_{i}", *first) for i in range(2)])
    high = low.subs({x: second[0], y: second[1]}, simultaneous=True)
    third = second + high
    follows = dict(zip(second, first + low, strict=True))

    def center(a: sp.Matrix, b: sp.Matrix) -> sp.Matrix:
        return (a + b) / 2

    def outer(a: sp.Matrix) -> sp.Matrix:
        return a * a.T

    half, next_half = (second - first) / 2, (third - second) / 2
    moved = center(second, third) - center(first, second) - (low + high) / 2
    assert_zero(moved.subs(follows, simultaneous=True))
    summed = outer(next_half) + outer(half) - (outer(low) + outer(high)) / 4
    assert_zero(summed.subs(follows, simultaneous=True))

    problem = MinimalProblem(0.01)
    run = flows.gradient_descent(problem.loss, problem.variables, 0.3, (0.1, 6.5), 40)
    slopes = -0.3 * np.array([sp.diff(problem.loss, v) for v in problem.variables])
    numbers = np.array(
        [[float(s.subs(dict(zip(problem.variables, p, strict=True)))) for s in slopes]
         for p in run.parameters]
    )  # fmt: skip
    step = np.diff(run.average, axis=0) - (numbers[:-1] + numbers[1:]) / 2
    lengths = np.sum(numbers**2, axis=1) / 4
    assert np.abs(step).max() < 1e-14
    assert np.abs(run.extent - lengths).max() < 1e-14
    return [
        Statement(
            "c' - c = (F+ + F-)/2, (delta delta^T)' + delta delta^T = (F+ F+^T + F- F-^T)/4",
            "fokkerplanck.flows.rod_flow",
            True,
            "exact for any step, momentum included",
        )
    ]


# %% [markdown]
# ## The flow of the centre
# Of a velocity V that reaches `c + m(c)` after a unit of time the first two orders in m are
# `V = m - (dm/dc) m/2`; with the rod held, `dm/dc = (J+ + J-)/2`. For a quadratic loss all is
# linear, and the package's flow has the closed form.


# %%
def centre() -> list[Statement]:
    s = sp.Symbol("s")
    m = [s * arbitrary(f"m_{i}", x, y) for i in range(2)]
    velocity = [m[i] - sum(sp.diff(m[i], v) * m[j] for j, v in enumerate((x, y))) / 2 for i in (0, 1)]  # fmt: skip  # noqa: E501

    def along(function: sp.Expr) -> sp.Expr:
        return sum(velocity[j] * sp.diff(function, v) for j, v in enumerate((x, y)))

    for i, v in enumerate((x, y)):
        end = along(v) + along(along(v)) / 2
        for order in (1, 2):
            assert_zero((sp.expand(end) - m[i]).expand().coeff(s, order))

    rate, growth = eta * S * (1 + eta * S / 2), Quadratic(S).extent_rate(eta)
    c = (1 - eta * S / 2) * sp.exp(-rate * t)
    force = (eta * S) ** 2 / 2 * c**2
    start = (eta * S / 2) ** 2
    extent = sp.exp(growth * t) * (start + sp.integrate(sp.exp(-growth * t) * force, (t, 0, t)))
    numbers = {eta: sp.Rational(21, 20), S: 2}
    solved = sp.simplify(extent.subs(numbers))
    assert_zero(sp.diff(solved, t) - (growth * solved + force).subs(numbers))
    run = flows.rod_flow(w**2, (w,), 1.05, (1.0,), 20)
    assert abs(run.extent[-1] / float(solved.subs(t, 20)) - 1) < 1e-6
    assert abs(run.parameters[2, 0] / float(c.subs({**numbers, t: 2})) - 1) < 1e-6

    u = eta * S
    descent = 2 * sp.log(u - 1)  # ln |1 - u|^2 beyond u = 1
    difference = sp.series(descent - growth, eta, 2 / S, 3).removeO()
    assert_zero(difference.subs(eta, (2 + z) / S).expand() - (2 * z - z**2 - (2 * z + z**2 / 2)))
    return [
        Statement(
            "dc/dt = m - (dm/dc) m/2 passes c + m after one step, to second order in m",
            "fokkerplanck.flows.rod_flow",
            True,
        ),
        Statement(
            "dSigma/dt = (eta^2 S^2/2 - 2) Sigma for L = S w^2/2",
            "fokkerplanck.systems.edge_of_stability.Quadratic.extent_rate",
            True,
            "2 (eta S - 2) to first order, as for gradient descent; the second order differs",
        ),
    ]


# %% [markdown]
# ## Critical sharpness
# Of one eigenvalue S of the Hessian. A matrix A of order two is stable exactly when
# `1 + tr A + det A > 0`, `1 - tr A + det A > 0` and `det A < 1` (Jury). The second is `eta S > 0`
# and the third `beta < 1` (Nesterov: `beta (1 - eta S) < 1`); the first vanishes at the
# critical sharpness, where a multiplier is -1. For the rod, J has the eigenvalues
# `mu = z - 1`, and `(1/2) J Sigma J^T - 2 Sigma` grows when some `|mu| > 2`: a stable z has
# `|z - 1| <= 1 + |z| < 2`, and a real `z < -1` has `|z - 1| > 2`. The thresholds are the same.


# %%
def thresholds() -> list[Statement]:
    heavy = sp.Matrix([[1 - eta * S, beta], [-eta * S, beta]])
    ahead = sp.Matrix([[1 - eta * S, beta * (1 - eta * S)], [-eta * S, beta * (1 - eta * S)]])
    found = []
    for name, matrix, nesterov in (("heavy ball", heavy, False), ("Nesterov", ahead, True)):
        first = 1 + matrix.trace() + matrix.det()
        critical = flows.critical_sharpness(eta, beta, nesterov)
        assert_zero(first.subs(S, critical))
        assert_zero(sp.diff(first, S, 2))
        assert first.subs(S, 0) == 2 + 2 * beta
        assert sp.expand(1 - matrix.trace() + matrix.det()) == eta * S
        expected = beta * (1 - eta * S) if nesterov else beta
        assert_zero(matrix.det() - expected)
        found.append(
            Statement(
                f"stable for 0 < S < {critical} ({name})",
                "fokkerplanck.flows.critical_sharpness",
                True,
                "the first multiplier to leave the unit circle does so at -1",
            )
        )
    assert_zero(flows.critical_sharpness(eta) - 2 / eta)
    return found


# %% [markdown]
# ## Rods at rest
# Sigma = delta delta^T with `m = 0`, so `F+ = a = -F-`, and `a a^T = 4 delta delta^T`: then a and
# delta are parallel and `a = -2 delta`, a 2-cycle, or `a = 2 delta`, which is none: there
# `g+ - g- = -(4/eta) delta`, a mean curvature of `-2/eta` along the rod. Rods at rest are therefore
# the 2-cycles and these. (`m != 0` needs a mean Hessian with that eigenvalue, too.)


# %%
def rods_at_rest() -> list[Statement]:
    a1, a2, d1, d2 = sp.symbols("a_1 a_2 d_1 d_2", real=True)
    rest = [a1**2 - 4 * d1**2, a1 * a2 - 4 * d1 * d2, a2**2 - 4 * d2**2]
    basis = sp.groebner(rest, a1, a2, d1, d2)
    assert basis.contains((a1 * d2 - a2 * d1) ** 2)  # parallel, and then of twice the length
    assert basis.contains(a1**2 + a2**2 - 4 * (d1**2 + d2**2))

    quartic = Quartic(S, Q)
    slope = sp.diff(quartic.loss, w)
    for extent, sign in (
        (quartic.symmetric_extent(eta), -2),
        (quartic.spurious_extent(eta), 2),
    ):
        displacement = (-eta * slope).subs(w, sp.sqrt(z))
        assert_zero((displacement - sign * sp.sqrt(z)).subs(z, extent))
        assert_zero((displacement**2 / 2 - 2 * z).subs(z, extent))
    run = flows.rod_flow(*cycle_start(2.3), 30)
    assert np.abs(run.extent - float(Quartic(1, 1).extent(2.3))).max() < 1e-9
    return [
        Statement(
            "rank-one rods at rest: 2-cycles of gradient descent, or mean curvature -2/eta",
            "fokkerplanck.flows.rod_flow",
            True,
            "the latter are no cycles; for the quartic at delta^2 = (S + 2/eta)/Q",
        )
    ]


def cycle_start(product: float) -> tuple[sp.Expr, tuple[sp.Symbol, ...], float, tuple[float]]:
    """Loss, variables, learning rate and a point of the 2-cycle, S = Q = 1."""
    quartic = Quartic(1, 1)
    center = sp.sqrt(quartic.center_squared(product))
    start = float(center + sp.sqrt(quartic.extent(product)))
    return quartic.loss, quartic.variables, product, (start,)


# %% [markdown]
# ## The missed onset
# The even part `L = y x^2/2 - epsilon y`, with x = 0 and Sigma = diag(p, q). Gradient descent
# multiplies x by `1 - eta y`. With one rod along the larger axis, and q > p, the rod feels no
# curvature: p decays at the rate 2 whatever y is. A floor f only takes p to f and q to
# `f + eta^2 epsilon^2/4 > f`, so the order never changes. A rod on every axis gives p the rate
# `eta^2 y^2/2 - 2`, positive above the edge.


# %%
def missed_onset() -> list[Statement]:
    p, q, f = sp.symbols("p q f", positive=True)
    loss = y * x**2 / 2 - epsilon * y
    slope = sp.Matrix([sp.diff(loss, v) for v in (x, y)])

    def ends(rod: sp.Matrix) -> tuple[sp.Matrix, sp.Matrix]:
        def at(sign: int) -> sp.Matrix:
            return -eta * slope.subs({x: sign * rod[0], y: y + sign * rod[1]}, simultaneous=True)

        return at(1), at(-1)

    def growth(rods: list[sp.Matrix]) -> sp.Matrix:
        middle = -eta * slope.subs(x, 0)
        mean, spread = middle, sp.zeros(2)
        for rod in rods:
            high, low = ends(rod)
            mean += (high + low) / 2 - middle
            spread += (high - low) * (high - low).T / 4
        return (mean * mean.T + spread) / 2 - 2 * (sp.diag(p, q) - f * sp.eye(2))

    # With x on top instead, p at rest exceeds q at rest when f exceeds a multiple of the drift's.
    u = sp.Symbol("u", positive=True)
    at_rest = sp.solve(u**2 / 2 * p - 2 * (p - f), p)[0] - (f + (eta * epsilon) ** 2 / 4)
    assert_zero(at_rest.subs(f, (eta * epsilon) ** 2 / 4 * (4 - u**2) / u**2))
    assert_zero(sp.diff(at_rest, f) - u**2 / (4 - u**2))

    across, along = sp.Matrix([sp.sqrt(p), 0]), sp.Matrix([0, sp.sqrt(q)])
    one = growth([along])
    assert_zero(one[0, 0] + 2 * (p - f))
    assert_zero(one[1, 1] - (eta * epsilon) ** 2 / 2 + 2 * (q - f))
    every = growth([across, along])
    rate = Quadratic(y).extent_rate(eta)
    assert_zero(every[0, 0].subs(f, 0) - rate * p)

    numbers = (loss.subs(epsilon, sp.Rational(1, 100)), (x, y), 0.3, (1e-5, 7.0), 60)
    descent = flows.gradient_descent(*numbers)
    missed = flows.rod_flow(*numbers)
    floored = flows.rod_flow(*numbers, floor=1e-6)
    seen = flows.rod_flow(*numbers, closure=flows.AllAxes())
    assert abs(descent.parameters[-1, 0]) > 1e-2
    assert missed.extent[-1] < 3e-6
    assert floored.extent[-1] < 4e-6
    assert seen.extent[-1] > 1e-5
    used_by = "fokkerplanck.flows.TopEigenvector"
    return [
        Statement(
            "one rod along q > p: dp/dt = -2 (p - f), whatever the curvature y", used_by, True
        ),
        Statement(
            "a floor f > (eta epsilon)^2/4 (4 - u^2)/u^2, u = eta y, keeps p > q where it is so",
            used_by,
            True,
            "at rest, y below the edge",
        ),
        Statement(
            "rods on all axes: dp/dt = (eta^2 y^2/2 - 2) p",
            "fokkerplanck.flows.AllAxes",
            True,
            "to first order in p; x = 0, even part of the minimal problem",
        ),
    ]


# %%
def derive() -> list[Statement]:
    return [
        *two_steps(),
        *centre(),
        *thresholds(),
        *rods_at_rest(),
        *missed_onset(),
    ]
