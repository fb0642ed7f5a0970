# %% [markdown]
# # Density diffusion: what s is, and what the convention does
#
# Xie, Sato and Sugiyama's exponent `(2B dL/eta) (s/H_a + (1-s)/|H_b|)` climbs the share s of the
# barrier with the noise of the minimum. Where two parabolas meet smoothly at theta_c,
#
#     L = H_a theta^2/2  and  dL - |H_b| (theta - theta_b)^2/2,     D = (eta/2B) H_a, (eta/2B) |H_b|
#
# everything is known in one dimension.

# %%
from __future__ import annotations

import mpmath
import sympy as sp

import fokkerplanck as fpk
from derivations._algebra import assert_zero
from derivations._report import Statement
from fokkerplanck.systems.density_diffusion import ALPHA, ThreeParabolas

theta = sp.Symbol("theta", real=True)
H_a, H_b, rise, strength = sp.symbols("H_a H_b dL T", positive=True)  # H_b = |H_b|, T = eta/2B
RATE = "fokkerplanck.theory.density_diffusion_rate"
BED = "fokkerplanck.systems.density_diffusion.ThreeParabolas"

junction = sp.sqrt(2 * rise / (H_a * (1 + H_a / H_b)))
saddle = junction * (1 + H_a / H_b)
loss = sp.Piecewise(
    (H_a * theta**2 / 2, theta < junction), (rise - H_b * (theta - saddle) ** 2 / 2, True)
)
tensor = strength * sp.Piecewise((H_a, theta < junction), (H_b, True))

# %% [markdown]
# ## s = |H_b|/(H_a + |H_b|)
# Loss and slope are continuous at theta_c; `L(theta_c) = s dL`.


# %%
def share() -> list[Statement]:
    left, right = loss.args[0][0], loss.args[1][0]
    for order in (0, 1):
        jump = sp.diff(left, theta, order) - sp.diff(right, theta, order)
        assert_zero(sp.simplify(jump.subs(theta, junction)))
    s = H_b / (H_a + H_b)
    assert_zero(sp.simplify(left.subs(theta, junction) - s * rise))
    # int L'/D: the exponent.
    climbed = sp.integrate(sp.diff(left, theta) / H_a, (theta, 0, junction))
    climbed += sp.integrate(sp.diff(right, theta) / H_b, (theta, junction, saddle))
    assert_zero(sp.simplify(climbed - rise * (s / H_a + (1 - s) / H_b)))
    return [
        Statement(
            "s = |H_b|/(H_a + |H_b|), exponent dL (s/D_a + (1-s)/D_b)",
            RATE,
            True,
            "two parabolas with a continuous slope, D constant on either side, d = 1",
        ),
    ]


# %% [markdown]
# ## Prefactor and convention
# Laplace's method with `p ~ D^-(1-alpha) exp(-int L'/D)`: `tau = 2 pi/(D_b sqrt(Phi_a''|Phi_b''|))
# exp(dPhi)` with `Phi_a'' = H_a/D_a`, `|Phi_b''| = |H_b|/D_b`, and `dPhi` gains `(1-alpha) ln
# D_b/D_a`. For D proportional to the curvature the roots cancel: `tau = 2 pi/|H_b| exp(...)`
# isothermal, times `|H_b|/H_a` in Itô's convention.


# %%
def prefactor() -> list[Statement]:
    alpha = sp.Symbol("alpha", real=True)
    d_a, d_b = strength * H_a, strength * H_b
    time = 2 * sp.pi / (d_b * sp.sqrt(H_a / d_a * H_b / d_b)) * (d_b / d_a) ** (1 - alpha)
    assert_zero(sp.simplify(time.subs(alpha, 1) - 2 * sp.pi / H_b))
    assert_zero(sp.simplify(time.subs(alpha, 0) / time.subs(alpha, 1) - H_b / H_a))
    white = 2 * sp.pi / (strength * sp.sqrt(H_a * H_b) / strength)
    assert_zero(sp.simplify(white - 2 * sp.pi / H_b * sp.sqrt(H_b / H_a)))
    for curvatures in ((1, 1), (4, 1), (1, 4)):
        _compare(*curvatures)
    return [
        Statement(
            "tau = (2 pi/|H_be|) exp[(2B dL/eta)(s/H_ae + (1-s)/|H_be|)], isothermal",
            RATE,
            True,
            "leading order of the exact double integral, d = 1",
        ),
        Statement("tau is |H_b|/H_a times longer in Itô's convention", RATE, True, "d = 1"),
        Statement(
            "white noise: tau = (2 pi/|H_be|) sqrt(-det H_b/det H_a) exp(dL/D)", RATE, True, "d = 1"
        ),
    ]


def _compare(well: int, barrier: int) -> None:
    """The package's formula, and its Kramers rate of the same one-dimensional diffusion."""
    values = {H_a: well, H_b: barrier, rise: 1}
    eta = sp.Rational(1, 10)
    concrete, noise = loss.subs(values), tensor.subs({**values, strength: 1})
    sgd = fpk.SGD(concrete, theta, fpk.noise.Covariance([[noise]]), learning_rate=eta)
    drift, strengths = [-sp.diff(concrete, theta)], [[noise * eta / 2]]
    models = {
        "isothermal": fpk.Diffusion.from_isothermal((theta,), drift, strengths),
        "ito": fpk.Diffusion((theta,), drift, strengths),
    }
    top = float(saddle.subs(values))
    s = sp.Rational(barrier, well + barrier)
    time = 2 * sp.pi / barrier * sp.exp(2 / eta * (s / well + (1 - s) / barrier))
    factor = {"isothermal": 1, "ito": sp.Rational(barrier, well)}
    for convention, model in models.items():
        formula = fpk.theory.density_diffusion_rate(
            sgd, minimum=0, saddle=top, convention=convention
        )
        assert abs(formula.value * (time * factor[convention]).evalf() - 1) < 1e-10
        kramers = fpk.theory.kramers_rate(model, minimum=0, saddle=top)
        assert abs(kramers.value / formula.value - 1) < 1e-5


# %% [markdown]
# ## The exact time
# `tau = int_0^target D^-alpha exp(Phi) M dy`, `M(y) = int_-oo^y D^(alpha-1) exp(-Phi) dx`. On the
# wells M is an error function, on the barrier an imaginary one; what remains are the integrals
#
#     int_0^z exp(v^2) erf(v) dv = z^2 2F2(1, 1; 3/2, 2; z^2)/sqrt(pi),    and with erfi and -z^2


# %%
def exact() -> list[Statement]:
    z = sp.Symbol("z", positive=True)
    for sign, inner in ((1, sp.erf), (-1, sp.erfi)):
        series = sp.hyper([1, 1], [sp.Rational(3, 2), 2], sign * z**2) * z**2 / sp.sqrt(sp.pi)
        terms = sum(
            (z ** (2 * n + 2) * sign**n * sp.rf(1, n) ** 2)
            / (sp.rf(sp.Rational(3, 2), n) * sp.rf(2, n) * sp.factorial(n))
            for n in range(8)
        ) / sp.sqrt(sp.pi)
        integrand = sp.series(sp.exp(sign * z**2) * inner(z), z, 0, 16).removeO()
        assert_zero(sp.expand(sp.diff(terms, z) - integrand))
        assert (
            abs(sp.N(series.subs(z, sp.Rational(1, 5)) - terms.subs(z, sp.Rational(1, 5)))) < 1e-12
        )
    for convention in ALPHA:
        bed = ThreeParabolas((4, sp.Rational(1, 2)), sp.Rational(3, 2), sp.Rational(1, 10))
        _by_quadrature(bed, convention)
    return [
        Statement("mean escape time between three parabolas", f"{BED}.exact_escape_time", True, ""),
    ]


def _by_quadrature(bed: ThreeParabolas, convention: str) -> None:
    """One-dimensional integrals over M in closed form, to 20 digits."""
    alpha = mpmath.mpf(float(ALPHA[convention]))
    with mpmath.workdps(30):
        numbers = [*bed.levels, bed.wells[0], bed.ridge, bed.wells[1], *bed.junctions]
        low, top, high, first, ridge, second, c1, c2 = (
            mpmath.mpf(str(sp.N(value, 30))) for value in numbers
        )
        middle, far = (mpmath.mpf(str(sp.N(v, 30))) for v in (bed.saddle, bed.minima[1]))
        widths = [mpmath.sqrt(2 * d / h) for d, h in ((low, first), (top, ridge), (high, second))]
        height = (c1 / widths[0]) ** 2 + ((middle - c1) / widths[1]) ** 2
        floor = height - ((c2 - middle) / widths[1]) ** 2 - ((far - c2) / widths[2]) ** 2
        half = mpmath.sqrt(mpmath.pi) / 2
        left = low ** (alpha - 1) * widths[0] * half

        def barrier(y: mpmath.mpf) -> mpmath.mpf:
            risen = mpmath.erfi((y - middle) / widths[1]) + mpmath.erfi((middle - c1) / widths[1])
            return left * (1 + mpmath.erf(c1 / widths[0])) + (
                top ** (alpha - 1) * widths[1] * half * mpmath.exp(-height) * risen
            )

        def beyond(y: mpmath.mpf) -> mpmath.mpf:
            fallen = mpmath.erf((y - far) / widths[2]) + mpmath.erf((far - c2) / widths[2])
            return (
                barrier(c2) + high ** (alpha - 1) * widths[2] * half * mpmath.exp(-floor) * fallen
            )

        time = mpmath.quad(
            lambda y: (
                low**-alpha
                * mpmath.exp((y / widths[0]) ** 2)
                * left
                * (1 + mpmath.erf(y / widths[0]))
            ),
            [0, c1],
        )
        time += mpmath.quad(
            lambda y: (
                top**-alpha * mpmath.exp(height - ((y - middle) / widths[1]) ** 2) * barrier(y)
            ),
            [c1, middle, c2],
        )
        time += mpmath.quad(
            lambda y: high**-alpha * mpmath.exp(floor + ((y - far) / widths[2]) ** 2) * beyond(y),
            [c2, far],
        )
        closed = mpmath.mpf(str(sp.N(bed.exact_escape_time(convention), 30)))
        assert abs(time / closed - 1) < mpmath.mpf(10) ** -20


# %%
def derive() -> list[Statement]:
    return [*share(), *prefactor(), *exact()]
