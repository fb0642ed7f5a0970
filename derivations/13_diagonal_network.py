# %% [markdown]
# # The diagonal network
#
# `l = (v x - y)^2`, v a sum of `width` products of `n = depth + 1` weights. Every weight feels the
# same noise: `dtheta = -2 (beta1 v - beta2) grad v dt - 2 gamma theta dt - 2 sqrt(T G) grad v dW`.
# Equal weights stay equal, and v obeys an equation of its own.

# %%
from __future__ import annotations

import sympy as sp
from mpmath import mp

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
    ito,
    network,
    q,
    r,
    v,
    weights_diffusion,
    z,
)
from derivations._report import Statement
from fokkerplanck.model.noise import PerSample
from fokkerplanck.model.optimizers import SGD
from fokkerplanck.systems.diagonal_network import DiagonalNetwork

# %% [markdown]
# ## SGD has this equation
# From per-sample gradients with the moments of `y = k x + s epsilon`.


# %%
def from_samples() -> list[Statement]:
    x, e = sp.symbols("x epsilon", real=True)
    k, s = sp.Symbol("k", real=True), sp.Symbol("s", positive=True)
    model = DiagonalNetwork.with_linear_targets(k, s, temperature=T, weight_decay=gamma)
    normal = {1: 0, 2: 1, 3: 0, 4: 3}
    loss = (model.output * x - k * x - s * e) ** 2
    decay = gamma * sum(u**2 for u in model.variables)
    noise = PerSample(loss, {x: normal, e: normal})
    sgd = SGD(loss + decay, model.variables, noise, learning_rate=T).diffusion()
    values = dict(zip((a1, a2, a3, b1, b2), (*model.alpha, *model.beta), strict=True))
    written = weights_diffusion(model)
    assert_zero(sgd.drift - written.drift.subs(values))
    assert_zero(sgd.tensor - written.tensor.subs(values))
    return [
        Statement(
            "alpha = (2, 2k, 2k^2 + s^2), beta = (1, k) for y = k x + s epsilon, all normal",
            f"{NETWORK}.with_linear_targets",
            True,
        )
    ]


# %% [markdown]
# ## Balanced weights, one variable
# At equal weights r all drifts are equal and so is the one noise: they stay equal.


# %%
def reduction() -> list[Statement]:
    for depth, width in ((0, 2), (1, 1), (1, 2), (2, 1), (2, 2), (3, 1)):
        model = network(depth, width)
        equation = weights_diffusion(model)
        equal = dict.fromkeys(model.variables, r)
        drifts = [sp.expand(entry.subs(equal)) for entry in equation.drift]
        assert all(entry == drifts[0] for entry in drifts)
        assert len({sp.expand(entry.subs(equal)) for entry in equation.tensor}) == 1
        slope = sp.Matrix([model.output]).jacobian(model.variables)
        reduced, value = model.diffusion(), width * r ** (depth + 1)
        assert_zero(ito(model.output, equation).subs(equal) - reduced.drift[0].subs(v, value))
        tensor = (slope * equation.tensor * slope.T)[0].subs(equal)
        assert_zero(tensor - reduced.tensor[0].subs(v, value))
    # Negative v: one weight -r.
    model = network(1, sign=-1)
    equation, opposite = weights_diffusion(model), dict(zip(model.variables, (-r, r), strict=True))
    reduced = model.diffusion()
    assert_zero(ito(model.output, equation).subs(opposite) - reduced.drift[0].subs(v, -(r**2)))
    return [
        Statement(
            "dv = [-2 N (beta1 v - beta2) - 2 n gamma v + T G N N'] dt + 2 N sqrt(T G) dW, "
            "N = width n (|v|/width)^(2 - 2/n)",
            f"{NETWORK}.diffusion",
            True,
            "depth to 3, width to 2; equal weights, which stay equal",
        )
    ]


# %%
def plane() -> list[Statement]:
    model = network(1)
    equation = weights_diffusion(model)
    u, w = model.variables
    positive = dict(zip((u, w), sp.symbols("u w", positive=True), strict=True))
    found = model.plane()
    coordinates = [sp.log(u * w), u**2 - w**2]
    there = dict(zip((z, q), coordinates, strict=True))
    # (u^2 + w^2)^2 = q^2 + 4 v^2
    jacobian = sp.Matrix(coordinates).jacobian([u, w])
    tensor = jacobian * equation.tensor * jacobian.T
    for k in range(2):
        difference = found.drift[k].subs(there) - ito(coordinates[k], equation)
        assert_zero(sp.factor(sp.radsimp(difference.subs(positive)), deep=True))
    assert_zero((found.tensor.subs(there) - tensor).subs(positive))
    # q is never random and never grows: G exceeds its minimum by a square.
    strength, least = model.noise_variance, (a1 * a3 - a2**2) / a1
    assert_zero(sp.expand(strength - least - a1 * (v - a2 / a1) ** 2))
    assert_zero(found.drift[1] + 4 * (T * strength.subs(v, sp.exp(z)) + gamma) * q)
    return [
        Statement(
            "|q(t)| <= |q(0)| exp(-4 (T (alpha3 - alpha2^2/alpha1) + gamma) t) on every path",
            f"{NETWORK}.plane",
            True,
        ),
        Statement(
            "plane of ln v and q = u^2 - w^2: dq = -4 (T G + gamma) q dt, noise along v alone",
            f"{NETWORK}.plane",
            True,
        ),
    ]


# %% [markdown]
# ## The density
# `p = (1/D) exp(int A/D)`: no flux. At depth 0 and 1 in closed form; further down the integrals
# `int r^j/G(r^n) dr` by partial fractions over the roots `omega` of `G(r^n)`, whose residues are
# `omega^(j+1-n)/(n G')` with `G'(rho) = 2 i sqrt(alpha1 alpha3 - alpha2^2)`, in conjugate pairs.


# %%
def log_slope(product: sp.Expr) -> sp.Expr:
    """Logarithmic derivative, factor by factor."""
    slope = sp.S.Zero
    for factor in sp.Mul.make_args(product):
        if isinstance(factor, sp.exp):
            slope += sp.diff(factor.args[0], v)
        else:
            base, exponent = factor.as_base_exp()
            slope += exponent * sp.diff(base, v) / base
    return slope


def shallow_density() -> list[Statement]:
    size = sp.Symbol("v", positive=True)
    for model, sign in (
        (network(0), 1),
        (network(0, 2), 1),
        (network(1), 1),
        (network(1, 3), 1),
        (network(1, sign=-1), -1),
    ):
        reduced = model.diffusion()
        slope = log_slope(model.density()) + log_slope(reduced.tensor[0])
        difference = slope - reduced.drift[0] / reduced.tensor[0]
        assert_zero(sp.cancel(sp.together(difference.subs(v, sign * size))))
    # Without label noise: alpha1 alpha3 = alpha2^2.
    k = sp.Symbol("k", positive=True)
    clean = DiagonalNetwork.with_linear_targets(k, 0, temperature=T, weight_decay=gamma)
    reduced = clean.diffusion()
    slope = log_slope(clean.density()) + log_slope(reduced.tensor[0])
    difference = slope - reduced.drift[0] / reduced.tensor[0]
    assert_zero(sp.cancel(sp.together(difference.subs(v, size))))
    delta = sp.sqrt(a1 * a3 - a2**2)
    arc = sp.atan((a1 * v - a2) / delta)
    two = (
        v ** (b2 / (2 * a3 * T) - sp.Rational(3, 2))
        * (a1 * v**2 - 2 * a2 * v + a3) ** (-1 - b2 / (4 * T * a3))
        * sp.exp(-(a3 * b1 - a2 * b2) / (2 * T * a3 * delta) * arc)
    )
    one = (a1 * v**2 - 2 * a2 * v + a3) ** (-1 - b1 / (2 * T * a1)) * sp.exp(
        -(a2 * b1 - a1 * b2) / (T * a1 * delta) * arc
    )
    for depth, expected in ((0, one), (1, two)):
        found = network(depth, decay=sp.S.Zero).density()
        assert_zero(sp.cancel(sp.together(log_slope(found) - log_slope(expected))))
    return [
        Statement(
            "depth 0: p ~ G^(-1-beta1/(2 T alpha1)) exp[-(alpha2 beta1 - alpha1 beta2)/(T alpha1 R)"
            " arctan((alpha1 v - alpha2)/R)], R^2 = alpha1 alpha3 - alpha2^2",
            f"{NETWORK}.density",
            True,
        ),
        Statement(
            "depth 1: p ~ |v|^(beta2/(2 T alpha3) - 3/2) G^(-1-beta2/(4 T alpha3)) "
            "exp[-(alpha3 beta1 - alpha2 beta2)/(2 T alpha3 R) arctan(..)]; weight decay: beta2 -> "
            "beta2 - gamma in the exponents of both, sign -1: alpha2, beta2 -> -alpha2, -beta2",
            f"{NETWORK}.density",
            True,
        ),
    ]


# %%
def deep_density() -> list[Statement]:
    # p = G^-1 N^(-3/2) exp(-(1/T) int (beta1 v - beta2)/(N G) + n gamma v/(N^2 G)): no flux.
    length, strength = (sp.Function(name)(v) for name in ("N", "G"))
    n = sp.Symbol("n", positive=True)
    drift = -2 * length * (b1 * v - b2) - 2 * n * gamma * v
    drift += T * strength * length * sp.diff(length, v)
    tensor = 2 * T * strength * length**2
    slope = -sp.diff(strength, v) / strength - sp.Rational(3, 2) * sp.diff(length, v) / length
    slope -= ((b1 * v - b2) / (length * strength) + n * gamma * v / (length**2 * strength)) / T
    assert_zero(slope - (drift - sp.diff(tensor, v)) / tensor)
    # A pair of residues kappa, conjugate, at omega = c + i s.
    c, s = sp.Symbol("c", real=True), sp.Symbol("s", positive=True)
    re, im = sp.symbols("kappa_r kappa_i", real=True)
    pair = (re + sp.I * im) / (r - c - sp.I * s) + (re - sp.I * im) / (r - c + sp.I * s)
    primitive = re * sp.log((r - c) ** 2 + s**2) - 2 * im * sp.atan((r - c) / s)
    assert_zero(sp.cancel(sp.together(pair - sp.diff(primitive, r))))
    # The package's sum, depth by depth, against A/D, by differences at 40 digits.
    values = {
        a1: 2,
        a2: sp.Rational(9, 5),
        a3: sp.Rational(187, 100),
        b1: 1,
        b2: sp.Rational(9, 10),
    }
    for depth, width in ((2, 1), (2, 2), (3, 1)):
        model = DiagonalNetwork(
            depth,
            width,
            alpha=[a.subs(values) for a in (a1, a2, a3)],
            beta=[b.subs(values) for b in (b1, b2)],
            temperature=sp.Rational(1, 10),
            weight_decay=sp.Rational(1, 7),
        )
        reduced = model.diffusion()
        density, drift, tensor = (
            sp.lambdify(v, sp.N(e, 40), "mpmath")
            for e in (model.density(), reduced.drift[0], reduced.tensor[0])
        )
        with mp.workdps(40):
            for point in (mp.mpf(1) / 3, mp.mpf(7) / 5):
                slope = mp.diff(lambda at, p=density, d=tensor: mp.log(p(at) * d(at)), point)
                assert abs(slope - drift(point) / tensor(point)) < mp.mpf(10) ** -15
    return [
        Statement(
            "any depth: p ~ G^-1 N^(-3/2) exp(-(1/T) int [(beta1 v - beta2)/(N G) + n gamma "
            "v/(N^2 G)] dv)",
            f"{NETWORK}.density",
            True,
            "the integral in closed form checked to 15 digits at depth 2 and 3",
        )
    ]


# %%
def derive() -> list[Statement]:
    """Run every proof of this file."""
    return [
        *from_samples(),
        *reduction(),
        *plane(),
        *shallow_density(),
        *deep_density(),
    ]
