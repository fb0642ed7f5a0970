# %% [markdown]
# # Gradient descent with large steps: its modified equation, and cycles at the edge of stability

# %%
from __future__ import annotations

import mpmath as mp
import sympy as sp

import fokkerplanck as fpk
from derivations._algebra import arbitrary, assert_zero
from derivations._report import Statement
from fokkerplanck.systems.edge_of_stability import MinimalProblem, Quartic

flows = fpk.flows
x, y, w = sp.symbols("x y w", real=True)
eta, S, Q, epsilon = sp.symbols("eta S Q epsilon", positive=True)

# %% [markdown]
# ## The modified equation
# The unit-time map of `dw/dt = -eta (g + eta H g/2 + eta^2 (H^2 g/3 + L'''[g, g]/12))` is
# `w - eta g` up to eta^4, for every loss.


# %%
def modified() -> list[Statement]:
    loss, variables = arbitrary("L", x, y), (x, y)
    slope = sp.Matrix([loss.diff(v) for v in variables])
    curvature = slope.jacobian(variables)
    bent = curvature * slope
    third = sp.Matrix(
        [sum(slope[j] * slope[k] * sp.diff(slope[i], variables[j], variables[k])
             for j in range(2) for k in range(2)) for i in range(2)]
    )  # fmt: skip
    parts = (-slope, -bent / 2, -(curvature * bent / 3 + third / 12))

    def along(order: int, function: sp.Expr) -> sp.Expr:
        return sum(
            p * sp.diff(function, v) for p, v in zip(parts[order - 1], variables, strict=True)
        )

    for i, v in enumerate(variables):
        assert_zero(along(1, v) + slope[i])
        assert_zero(along(2, v) + along(1, along(1, v)) / 2)
        mixed = along(1, along(2, v)) + along(2, along(1, v))
        assert_zero(along(3, v) + mixed / 2 + along(1, along(1, along(1, v))) / 6)

    # The package's flow of a loss with third derivatives, beside mpmath's Taylor integrator.
    loss, rate = w**2 / 2 + w**3 / 3 + w**4 / 5, sp.Rational(1, 5)
    g, h, k = (sp.diff(loss, w, order) for order in (1, 2, 3))
    velocity = -rate * (g + rate / 2 * h * g + rate**2 * (h**2 * g / 3 + k * g**2 / 12))
    run = flows.stable_flow(loss, (w,), float(rate), (0.5,), 3)
    exact = mp.odefun(lambda _, point: mp.mpf(velocity.subs(w, point)), 0, 0.5)
    assert abs(run.parameters[3, 0] - float(exact(3))) < 1e-9
    return [
        Statement(
            "dw/dt = -eta [g + (eta/2) H g + eta^2 (H^2 g/3 + L'''[g,g]/12)] steps by -eta g",
            "fokkerplanck.flows.stable_flow",
            True,
            "up to eta^4, any loss of two variables",
        )
    ]


# %% [markdown]
# ## The quartic
# Cycles are rods with `g(c + d) + g(c - d) = 0` and `g(c + d) - g(c - d) = (4/eta) d`. One has
# c = 0; where the curvature at its centre, averaged over its ends, changes sign two others part
# from it, in gradient descent and in rod flow alike.


# %%
def quartic_cycles() -> list[Statement]:
    quartic = Quartic(S, Q)
    c, d = sp.symbols("c d", positive=True)
    slope = sp.Lambda(w, sp.diff(quartic.loss, w))
    bend = sp.Lambda(w, sp.diff(quartic.loss, w, 2))
    mean, half = slope(c + d) + slope(c - d), slope(c + d) - slope(c - d) - 4 / eta * d
    low = {c: 0, d: sp.sqrt(quartic.symmetric_extent(eta))}
    beyond = quartic.center_squared(eta).args[-1].expr
    high = {c: sp.sqrt(beyond), d: sp.sqrt(quartic.asymmetric_extent(eta))}
    for cycle in (low, high):
        assert_zero(mean.subs(cycle))
        assert_zero(half.subs(cycle))

    sigma = sp.Symbol("sigma", positive=True)
    growth = eta**2 / 2 * slope(sp.sqrt(sigma)) ** 2 - 2 * sigma
    at_rest = {sigma: quartic.symmetric_extent(eta)}
    assert_zero(sp.diff(growth, sigma).subs(at_rest) - quartic.extent_rate(eta))
    # The centre of the rod about 0: its rate has the sign of -(curvature averaged over the ends).
    averaged = bend(w).subs(w, sp.sqrt(quartic.symmetric_extent(eta)))
    assert_zero(averaged.subs(S, 3 / eta))
    assert sp.diff(averaged, S) == -2

    def multiplier(cycle: dict[sp.Symbol, sp.Expr]) -> sp.Expr:
        return ((1 - eta * bend(c + d)) * (1 - eta * bend(c - d))).subs(cycle)

    pieces = [piece.expr for piece in quartic.cycle_multiplier(eta).args]
    for cycle, expected in zip((low, high), pieces, strict=True):
        assert_zero(multiplier(cycle) - expected)
    assert [sp.simplify(p.subs(S, 3 / eta)) for p in pieces] == [1, 1]
    assert_zero(pieces[1].subs(S, (1 + sp.sqrt(5)) / eta) + 1)
    owner = "fokkerplanck.systems.edge_of_stability.Quartic."
    return [
        Statement("delta^2 = (S - 2/eta)/Q about 0", owner + "symmetric_extent", True),
        Statement("rate -2 eta Q Sigma* of the rod's extent", owner + "extent_rate", True),
        Statement(
            "pitchfork at eta S = 3: c^2 = (S - 3/eta)/(4 Q), delta^2 = (S + 1/eta)/(4 Q)",
            owner + "asymmetric_extent",
            True,
            "in gradient descent and in rod flow",
        ),
        Statement(
            "multiplier of two steps (2 eta S - 5)^2, then 9 - 2 (eta S - 1)^2",
            owner + "cycle_multiplier",
            True,
        ),
    ]


# %% [markdown]
# ## The minimal problem
# `L = (y + x) x^2/2 - epsilon (x + y)`. Its 2-cycles are the roots of a cubic; two steps near it
# are those of the self-stabilisation oscillator, up to order epsilon, which conserves a function.


# %%
def minimal() -> list[Statement]:
    problem = MinimalProblem(epsilon)
    variables = problem.variables
    c = sp.Symbol("c", real=True)
    cycle = problem.cycle_about(c, eta)
    h = sp.Symbol("h", positive=True)
    center = sp.Matrix(cycle.center)
    half = sp.Matrix(cycle.half_difference).subs(cycle.half_difference[0], h)
    slope = sp.Matrix([sp.diff(problem.loss, v) for v in variables])

    def at(point: sp.Matrix) -> sp.Matrix:
        return slope.subs(dict(zip(variables, point, strict=True)), simultaneous=True)

    # A 2-cycle has g+ + g- = 0 and g+ - g- = (4/eta) delta, where h^2 = 2 epsilon - c^2.
    high, low = at(center + half), at(center - half)
    ideal = [problem.center_equation(c, eta), h**2 + c**2 - 2 * epsilon]
    for entry in (*(high + low), *(high - low - 4 / eta * half)):
        assert_zero(sp.reduced(sp.expand(entry), ideal, h, c, domain="EX")[1])
    first = -eta * epsilon
    leading = problem.center_equation(first, eta).expand()
    assert leading.coeff(epsilon, 1) == 0
    height = sp.expand(cycle.center[1].subs(c, first))
    assert_zero(height.coeff(epsilon, 1) - 3 * eta)

    r, a, b = sp.symbols("r a b", positive=True)
    state = sp.Matrix([r * a, 2 / eta + r * b])
    for _ in range(2):
        state = (state - eta * at(state).subs(epsilon, r**2)).expand()
    expected = problem.oscillator(a, b, eta)
    for value, unit, scaled in zip(state, (a, b), expected, strict=True):
        offset = 2 / eta if unit is b else 0
        change = sp.expand((value - offset) / r - unit)
        assert_zero(change.coeff(r, 0))
        assert_zero(change.coeff(r, 1) * sp.sqrt(epsilon) - 2 * scaled)
    velocity = sp.Matrix(expected)
    constant = problem.conserved(a, b)
    assert_zero(sum(v * sp.diff(constant, s) for v, s in zip(velocity, (a, b), strict=True)))
    rest = {a: sp.sqrt(2), b: 0}
    jacobian = velocity.jacobian((a, b)).subs(rest)
    assert_zero(velocity.subs(rest))
    assert_zero(jacobian.trace())
    assert_zero(jacobian.det() - problem.frequency(eta) ** 2)
    owner = "fokkerplanck.systems.edge_of_stability.MinimalProblem."
    return [
        Statement(
            "2-cycle: mean x^2 = 2 epsilon, y = 2/eta - 3 c - eta c^2/2, c = -eta epsilon + ...",
            owner + "cycle_about",
            True,
            "so y = 2/eta + 3 eta epsilon, not 2/eta, to first order",
        ),
        Statement(
            "b^2/2 + a^2/4 - ln(a^2)/2 is constant for a' = omega a b, b' = omega (1 - a^2/2)",
            owner + "conserved",
            True,
            "the oscillator is two steps of gradient descent up to order epsilon",
        ),
    ]


# %%
def derive() -> list[Statement]:
    return [*modified(), *quartic_cycles(), *minimal()]
