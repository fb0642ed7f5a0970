# %% [markdown]
# # Eyring, Kramers, Langer; Bouchet and Reygner; and the next order
#
# Stationary density `p = exp(-Phi)`, force `F = -(D + J) grad Phi` with J antisymmetric (J = 0 in
# detailed balance). The committor q of the far side solves `K z . grad q + D : grad grad q = 0`
# near the saddle, with K the Jacobian of F there. The rate is the flux
#
#     k = int p grad q . D grad q / int_well p
#
# d = 2 where a matrix is written out.

# %%
from __future__ import annotations

from itertools import product

import numpy as np
import sympy as sp

import fokkerplanck as fpk
from derivations._algebra import arbitrary, assert_zero
from derivations._report import Statement
from fokkerplanck.theory.expansion import Exponent, capacity_correction

x, y = sp.symbols("x y", real=True)
z = sp.symbols("z_1 z_2", real=True)
RATE = "fokkerplanck.theory.eyring_kramers_rate"

# %% [markdown]
# ## The committor of a harmonic saddle
# A function of one coordinate `u = l . z`, with l the left eigenvector `K^T l = lambda l` of the
# unstable eigenvalue, scaled to `l . D l = lambda`: then `q'' + u q' = 0` and `q' = exp(-u^2/2)/
# sqrt(2 pi)`. With `K = -(D + J) H` the eigenvalue equation reads `H^-1 l = -(D - J) l/lambda`, so
# `l . H^-1 l = -1`: all Hessians that have l are those below, one entry s being free.


# %%
def harmonic_saddle() -> list[Statement]:
    left = sp.Matrix([sp.Symbol("l", positive=True), 0])  # axes turned so that z_1 is along l
    d_11, d_12, d_22, j, s = sp.symbols("D_11 D_12 D_22 J s", real=True)
    tensor, rotation = sp.Matrix([[d_11, d_12], [d_12, d_22]]), sp.Matrix([[0, j], [-j, 0]])
    growth = (left.T * tensor * left)[0]
    a, b = sp.symbols("a b", real=True)
    inverse = sp.Matrix([[a, b], [b, s]])
    equations = inverse * left + (tensor - rotation) * left / growth
    inverse = inverse.subs(sp.solve(list(equations), [a, b], dict=True)[0])
    hessian = (inverse.adjugate() / inverse.det()).applyfunc(sp.cancel)
    jacobian = -(tensor + rotation) * hessian
    assert_zero((jacobian.T * left - growth * left).applyfunc(sp.cancel))
    position = sp.Matrix(z)
    committor_slope = sp.exp(-((left.T * position)[0] ** 2) / 2) / sp.sqrt(2 * sp.pi)
    gradient = committor_slope * left
    second = sp.Matrix(2, 2, lambda i, k: sp.diff(gradient[i], z[k]))
    backward = (position.T * jacobian.T * gradient)[0] + (tensor * second).trace()
    assert_zero(sp.cancel(sp.together(backward / committor_slope)))
    assert_zero(sp.cancel((left.T * inverse * left)[0] + 1))
    # int exp(-z.H z/2 - u^2) dz = 2 pi/sqrt(det(H + 2 l l^T))
    assert_zero(sp.cancel((hessian + 2 * left * left.T).det() + hessian.det()))
    return [
        Statement(
            "q' = exp(-u^2/2)/sqrt(2 pi), u = l.z, K^T l = lambda l, l.D l = lambda",
            RATE,
            True,
            "harmonic saddle, d = 2, with and without detailed balance",
        ),
        Statement(
            "det(H + 2 l l^T) = -det H, so the flux is lambda/(2 pi) sqrt((2 pi)^d/|det H|)",
            RATE,
            True,
            "d = 2",
        ),
    ]


# %% [markdown]
# ## The rate
# The well holds `sqrt((2 pi)^d/det H_a) exp(-Phi_a)`. The package's number, with and without J:


# %%
def package() -> list[Statement]:
    potential = 12 * ((x**2 - 1) ** 2 + y**2 + x * y / 2)
    slope = sp.Matrix([potential.diff(x), potential.diff(y)])
    tensor = sp.Matrix([[1, sp.Rational(1, 3)], [sp.Rational(1, 3), sp.Rational(1, 2)]])
    for strength in (0, 2):
        rotation = sp.Matrix([[0, strength], [-strength, 0]])
        force = -(tensor + rotation) * slope
        model = fpk.Diffusion((x, y), force, tensor)
        rate = fpk.theory.eyring_kramers_rate(
            model, minimum=(-1, 0.25), saddle=(0, 0), potential=potential if strength else None
        )
        ends = [dict(zip((x, y), p, strict=True)) for p in (rate.info["minimum"][0], (0, 0))]
        hessians = [sp.hessian(potential, (x, y)).subs(end) for end in ends]
        jacobian = force.jacobian((x, y)).subs(ends[1])
        growth = max(sp.re(sp.N(value)) for value in jacobian.eigenvals())
        rise = potential.subs(ends[1]) - potential.subs(ends[0])
        exact = growth / (2 * sp.pi) * sp.sqrt(hessians[0].det() / -hessians[1].det())
        assert abs(rate.value / (exact * sp.exp(-rise)).evalf() - 1) < 1e-7
        assert max(abs(sp.N(c)) for c in slope.subs(ends[0])) < 1e-9
    return [
        Statement(
            "k = lambda_+/(2 pi) sqrt(det H_a/|det H_b|) exp(Phi_a - Phi_b)",
            RATE,
            True,
            "leading order; J constant",
        ),
    ]


# %% [markdown]
# ## Conventions
# Drift `-g M grad V`, tensor `eps g M`, M constant: `Phi = V/eps + (1 - alpha) ln g` with alpha = 0
# (Itô), 1/2 (Stratonovich, `B = sqrt(2 eps g) M^(1/2)`), 1 (isothermal). The prefactor so gains
# `(g_a/g_b)^(1 - alpha)`; eigenvalue and determinants are the same at leading order.


# %%
def conventions() -> list[Statement]:
    eps = sp.Symbol("epsilon", positive=True)
    field = arbitrary("g", x, y, positive=True)
    potential = arbitrary("V", x, y)
    root = sp.Matrix([[1, 0], [sp.Rational(1, 3), sp.Rational(1, 2)]])
    metric = root * root.T
    slope = sp.Matrix([sp.diff(potential, v) for v in (x, y)])
    drift = -field * metric * slope
    models = {
        0: fpk.Diffusion((x, y), drift, eps * field * metric),
        sp.Rational(1, 2): fpk.Diffusion.from_stratonovich(
            (x, y), drift, sp.sqrt(2 * eps * field) * root
        ),
        1: fpk.Diffusion.from_isothermal((x, y), drift, eps * field * metric),
    }
    for alpha, model in models.items():
        exponent = potential / eps + (1 - alpha) * sp.log(field)
        expected = -sp.Matrix(model.tensor) * sp.Matrix([sp.diff(exponent, v) for v in (x, y)])
        assert_zero(sp.Matrix(model.force) - expected)
    concrete = {field: 1 + x / 3 + y / 4, potential: (x**2 - 1) ** 2 + y**2}
    noise = 1e-4
    rates = {}
    for alpha, model in models.items():
        given = sp.Matrix(model.drift).subs(concrete).doit().subs(eps, noise)
        tensor = sp.Matrix(model.tensor).subs(concrete).subs(eps, noise)
        found = fpk.theory.eyring_kramers_rate(
            fpk.Diffusion((x, y), given, tensor), minimum=(-1, 0), saddle=(0, 0)
        )
        rates[alpha] = np.log(found.info["prefactor"]) - (found.info["barrier"] - 1 / noise)
    for alpha in models:
        expected = float(1 - alpha) * np.log((1 - 1 / 3) / 1)
        assert abs(rates[alpha] - rates[1] - expected) < 2 * noise
    return [
        Statement(
            "Phi = V/eps + (1 - alpha) ln g for the drift -g M grad V and D = eps g M",
            RATE,
            True,
            "any V and g, M constant",
        ),
        Statement(
            "the rate is (g_a/g_b)^(1 - alpha) times the isothermal one",
            RATE,
            True,
            "leading order",
        ),
    ]


# %% [markdown]
# ## Next order in detailed balance
# Coordinates in which `D = 1 + P + R` (P linear, R quadratic in z) and `Phi = -mu z_1^2/2 + h
# z_2^2/2 + phi_3 + phi_4`. The flux is the minimum of `C[q] = int exp(-Phi) grad q . D grad q`, so
# its second order needs only `q = q_0 + q_1`:
#
#     div[w_0 grad q_1 + (wD)_1 grad q_0] = 0,    C_2 = C_2[q_0, q_0] + C_1[q_0, q_1]
#
# `q_1 = q_0' r` with r a quadratic polynomial; `w_0 q_0'` does not depend on z_1. Averages are over
# the Gaussian `q_0'^2 w_0`, of variances `1/mu` and `1/h`. Then, with Hermite polynomials He_n,
#
#     kappa = <R_11 - phi_3 P_11 + phi_3^2/2 - phi_4> - sum_n <s He_n>^2/(lambda_n + mu)
#     s = d_1 phi_3 + h z_2 P_12 - d_1 P_11 - d_2 P_12


# %%
def gaussian(polynomial: sp.Expr, rates: tuple[sp.Expr, ...]) -> sp.Expr:
    """Mean over independent normal variables z of variances 1/rate."""
    total = sp.S.Zero
    for powers, coefficient in sp.Poly(sp.expand(polynomial), *z).terms():
        if all(power % 2 == 0 for power in powers):
            factors = [
                sp.factorial2(power - 1) / rate ** (power // 2)
                for power, rate in zip(powers, rates, strict=True)
            ]
            total += coefficient * sp.prod(factors)
    return total


def homogeneous(name: str, degree: int) -> tuple[sp.Expr, list[sp.Symbol]]:
    """A general form of that degree in z, and its coefficients."""
    symbols = list(sp.symbols(f"{name}_0:{degree + 1}", real=True))
    return sum(c * z[0] ** (degree - n) * z[1] ** n for n, c in enumerate(symbols)), symbols


def next_order() -> list[Statement]:
    mu, h = sp.symbols("mu h", positive=True)
    rates = (mu, h)
    phi_3, cubic = homogeneous("a", 3)
    phi_4, quartic = homogeneous("b", 4)
    (p_11, first), (p_12, mixed), (r_11, second) = (
        homogeneous("p", 1),
        homogeneous("m", 1),
        homogeneous("r", 2),
    )
    unknown = sp.symbols("c_0:4", real=True)
    # Terms that are odd in z have no source.
    r = unknown[0] + unknown[1] * z[0] ** 2 + unknown[2] * z[0] * z[1] + unknown[3] * z[1] ** 2
    bent = [p_11 - phi_3, p_12]
    slope = [sp.diff(r, z[0]) - mu * z[0] * r, sp.diff(r, z[1])]
    flow = [b + s for b, s in zip(bent, slope, strict=True)]
    balance = sp.diff(flow[0], z[0]) + sp.diff(flow[1], z[1]) - h * z[1] * flow[1]
    solved = sp.solve(sp.Poly(sp.expand(balance), *z).coeffs(), unknown, dict=True)[0]
    assert_zero(balance.subs(solved))
    direct = gaussian(r_11 - phi_3 * p_11 + phi_3**2 / 2 - phi_4, rates)
    bending = sum(b * s for b, s in zip(bent, slope, strict=True)).subs(solved)
    kappa = direct + gaussian(bending, rates)

    source = sp.diff(phi_3, z[0]) + h * z[1] * p_12 - sp.diff(p_11, z[0]) - sp.diff(p_12, z[1])
    unit = [sp.sqrt(rate) * v for rate, v in zip(rates, z, strict=True)]
    hermite = {
        sp.S.One: sp.S.Zero,
        (unit[0] ** 2 - 1) / sp.sqrt(2): 2 * mu,
        (unit[1] ** 2 - 1) / sp.sqrt(2): 2 * h,
        unit[0] * unit[1]: mu + h,
    }
    modes = sum(gaussian(source * he, rates) ** 2 / (decay + mu) for he, decay in hermite.items())
    assert_zero(sp.cancel(sp.together(kappa - direct + modes)))

    rng = np.random.default_rng(8)
    for _ in range(3):
        values = {
            c: sp.Rational(int(rng.integers(-9, 9)), 4)
            for c in (*cubic, *quartic, *first, *mixed, *second)
        }
        values |= {mu: sp.Rational(7, 5), h: sp.Rational(int(rng.integers(2, 9)), 3)}
        forms = [f.subs(values) for f in (phi_3, phi_4, p_11, p_12, r_11)]
        found = capacity_correction(_exponent(*forms, values[mu], values[h]))
        assert abs(found - float(kappa.subs(values))) < 1e-10 * (1 + abs(found))
    return [
        Statement(
            "kappa = <R_11 - phi_3 P_11 + phi_3^2/2 - phi_4> - sum_n <s He_n>^2/(lambda_n + mu)",
            "fokkerplanck.theory.expansion.capacity_correction",
            True,
            "d = 2, detailed balance; c = kappa of the well - kappa",
        ),
    ]


def _exponent(
    phi_3: sp.Expr, phi_4: sp.Expr, p_11: sp.Expr, p_12: sp.Expr, r_11: sp.Expr, mu: float, h: float
) -> Exponent:
    """The package's record of these forms; the entries of D that do not matter are set to 1."""

    def derivatives(form: sp.Expr, order: int) -> np.ndarray:
        array = np.empty((2,) * order)
        for index in product(range(2), repeat=order):
            array[index] = float(sp.diff(form, *(z[i] for i in index)))
        return array

    first, second = np.ones((2, 2, 2)), np.ones((2, 2, 2, 2))
    first[0, 0], first[0, 1] = derivatives(p_11, 1), derivatives(p_12, 1)
    first[1, 0], second[0, 0] = first[0, 1], derivatives(r_11, 2)
    hessian = np.diag([-float(mu), float(h)])
    third, fourth = derivatives(phi_3, 3), derivatives(phi_4, 4)
    return Exponent(hessian, third, fourth, np.eye(2), first, second)


# %%
def derive() -> list[Statement]:
    return [*harmonic_saddle(), *package(), *conventions(), *next_order()]
