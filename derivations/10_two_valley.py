# %% [markdown]
# # Two valleys
#
# `L = L0 + x (x - g1)/f1` for x >= 0 and `L0 + x (x + g2)/f2` for x < 0; `D = Delta_S L''` is `2
# Delta_S/f_i` on either side. With `U = x (x -+ g_i)/(2 Delta_S)` the drift is `-D U'`, and
#
#     J = -D^alpha e^-U d/dx (e^U D^(1-alpha) p),      alpha = 0 Itô, 1/2 Stratonovich, 1 isothermal
#
# so `D^(1-alpha) p` is continuous at the ridge x = 0. First everything at fixed y, with arbitrary
# positive `f_i`, `g_i`; the motion along the valleys and the freezing are derivation 18.

# %%
from __future__ import annotations

import sympy as sp

from derivations._algebra import assert_zero
from derivations._report import Statement
from derivations._two_valley import (
    CONVENTIONS,
    VALLEY,
    Delta,
    dawson_limit,
    f1,
    f2,
    g1,
    g2,
    sides,
    v,
    valley,
    x,
    z,
)
from fokkerplanck.systems.two_parabolas import ALPHA, SIDES, TwoParabolas

CUT = "fokkerplanck.systems.two_parabolas.TwoParabolas"
cut = TwoParabolas((f1, f2), (g1, g2), Delta)


def reach(separation: sp.Expr) -> sp.Expr:
    """``z_i = g_i/sqrt(8 Delta_S)``."""
    return separation / sp.sqrt(8 * Delta)


# %% [markdown]
# ## Stationary densities and their odds
# `D^(alpha-1) e^-U` carries no flux and `D^(1-alpha)` times it is continuous at 0. A Gaussian
# integral over either side gives the odds. Over deep barriers `erf z -> 1`, and with `g1/g2 =
# gamma^(1/2)`, as in both valleys of one barrier, they are `gamma^(1-alpha) exp(z1^2 - z2^2)`.


# %%
def odds() -> list[Statement]:
    statements = []
    for convention in CONVENTIONS:
        model, density = cut.diffusion(convention), cut.density(convention)
        alpha = ALPHA[convention]
        masses = []
        pieces = zip(sides(density), sides(model.given[0]), sides(model.tensor[0]), strict=True)
        for piece, drift, tensor in pieces:
            assert_zero((drift * piece - tensor * sp.diff(piece, x)) / piece)
            masses.append(piece * tensor ** (1 - alpha))
        assert_zero((masses[0] - masses[1]).subs(x, 0))
        flat = sp.integrate(sides(density)[0], (x, 0, sp.oo))
        sharp = sp.integrate(sides(density)[1].subs(x, -x), (x, 0, sp.oo))
        assert_zero((flat / sharp / cut.flat_odds(convention)).rewrite(sp.erf) - 1)
        probability = cut.flat_probability(convention)
        assert_zero(probability - sp.S.One / (1 + 1 / cut.flat_odds(convention)))
        deep = cut.flat_odds(convention) / sp.exp(reach(g1) ** 2 - reach(g2) ** 2)
        assert_zero(sp.limit(deep, Delta, 0, "+") - (f1 / f2) ** (1 - alpha))
        statements.append(
            Statement(
                f"{convention}: P_flat/P_sharp = gamma^{1 - alpha} exp(z1^2 - z2^2) "
                "(1 + erf z1)/(1 + erf z2)",
                f"{CUT}.flat_odds",
                True,
                "exact on the whole line",
            )
        )
    return statements


# %% [markdown]
# ## Effective temperature and loss
# `-T_eff ln p` up to a constant, with `T_eff` the geometric mean of the two D.


# %%
def effective_loss() -> list[Statement]:
    temperature = cut.effective_temperature()
    assert_zero(temperature - sp.sqrt((2 * Delta / f1) * (2 * Delta / f2)))
    base = sp.Symbol("L_0", real=True)
    raised = TwoParabolas((f1, f2), (g1, g2), Delta, base_loss=base)
    for convention in CONVENTIONS:
        constant = []
        for effective, density in zip(
            sides(raised.effective_loss(convention)), sides(raised.density(convention)), strict=True
        ):
            logarithm = sp.expand_log(sp.log(density), force=True)
            constant.append(sp.expand_log(effective / temperature + logarithm, force=True))
        assert_zero(constant[0] - constant[1])
        assert_zero(sp.diff(constant[0], x))
    gamma = f1 / f2
    flat, sharp = sides(raised.effective_loss())
    loss = sides(raised.loss)
    for effective, piece, stretch in ((flat, loss[0], gamma), (sharp, loss[1], 1 / gamma)):
        root = sp.sqrt(stretch)
        assert_zero(effective - root * piece - (1 - root) * base)
    return [
        Statement(
            "p = exp(-L_eff/T_eff), T_eff = 2 Delta_S/sqrt(f1 f2), L_eff = gamma^(+-1/2) L + "
            "(1 - gamma^(+-1/2)) L0",
            f"{CUT}.effective_loss",
            True,
            "isothermal; else a step (1-alpha) T_eff ln(gamma) at the ridge",
        )
    ]


# %% [markdown]
# ## Times to the ridge
# With `v = (g/2 - x)/sqrt(2 Delta_S)`, 0 on the floor and z on the ridge, `D tau'' + A tau' = -1`
# is `tau_vv - 2 v tau_v = -f`. Reflected far away, `-tau_v = (f sqrt(pi)/2) e^(v^2) (1 + erf v)`,
# and `tau` is its integral from 0 to z. The deep formula puts 2 for `1 + erf v`. What it adds is
# at most `f sqrt(pi) z/2`, as `e^(v^2) erfc v <= 1`.


# %%
def passage_times() -> list[Statement]:
    half = sp.sqrt(sp.pi) / 2
    slope = half * f1 * sp.exp(v**2) * (1 + sp.erf(v))
    assert_zero(sp.diff(slope, v) - 2 * v * slope - f1)
    assert sp.limit(slope * sp.exp(-(v**2)), v, -sp.oo) == 0  # no flux from far away
    place = g1 / 2 - sp.sqrt(2 * Delta) * v
    drift, tensor = sides(cut.diffusion().given[0])[0], sides(cut.diffusion().tensor[0])[0]
    assert_zero(drift.subs(x, place) / sp.sqrt(2 * Delta) - 2 * v / f1)
    assert_zero(tensor / (2 * Delta) - 1 / f1)
    # The power series of the integral, term by term: e^(v^2) erf v = 2 v 1F1(1; 3/2; v^2)/sqrt(pi).
    assert_zero(
        sp.hyperexpand(sp.hyper([1], [sp.Rational(3, 2)], v**2))
        - sp.sqrt(sp.pi) * sp.exp(v**2) * sp.erf(v) / (2 * v)
    )
    n = sp.Symbol("n", integer=True, nonnegative=True)
    rising = sp.RisingFactorial
    term = 2 * v * v ** (2 * n) / rising(sp.Rational(3, 2), n) / sp.sqrt(sp.pi)
    coefficient = rising(1, n) ** 2 / rising(sp.Rational(3, 2), n) / rising(2, n) / sp.factorial(n)
    integrated = z ** (2 * n + 2) * coefficient / sp.sqrt(sp.pi)
    assert_zero(sp.gammasimp((sp.diff(integrated, z) - term.subs(v, z)).rewrite(sp.gamma)))
    series = z**2 * sp.hyper([1, 1], [sp.Rational(3, 2), 2], z**2) / sp.sqrt(sp.pi)
    unit = cut.exact_first_passage_time("flat").subs(g1, z * sp.sqrt(8 * Delta))
    assert_zero(unit - f1 * half * (half * sp.erfi(z) + series))
    deep = cut.first_passage_time("flat").subs(g1, z * sp.sqrt(8 * Delta))
    assert_zero(sp.diff(deep, z) - 2 * half * f1 * sp.exp(z**2))
    assert sp.limit(z / sp.erfi(z), z, sp.oo) == 0
    assert_zero(sp.limit(deep / (f1 * half * half * sp.erfi(z)), z, 0) - 2)
    assert_zero(cut.flat_odds("first_passage") - ratio_of_times())
    return [
        Statement(
            "tau = (f sqrt(pi)/2) int_0^z e^(v^2) (1 + erf v) dv, every convention",
            f"{CUT}.exact_first_passage_time",
            True,
        ),
        Statement(
            "tau -> (pi/2) f erfi(z) over deep barriers; twice tau at z = 0",
            f"{CUT}.first_passage_time",
            True,
            "z -> oo",
        ),
    ]


def ratio_of_times() -> sp.Expr:
    return cut.first_passage_time("flat") / cut.first_passage_time("sharp")


# %% [markdown]
# ## Commitment and rates
# The committor has no flux divergence: `D^alpha e^-U q'` is one constant from floor to floor.
# The rate is that flux over the population of the source. The times to the ridge omit the
# commitment to the other side: their odds carry `gamma^(1/2)`, whatever the convention.


# %%
def rates() -> list[Statement]:
    population = [sp.integrate(sp.exp(-x * (x - g) / (2 * Delta)), (x, 0, sp.oo)) for g in (g1, g2)]
    for convention in CONVENTIONS:
        alpha, q = ALPHA[convention], cut.committor(convention)
        flat, sharp = q.args[1][0], q.args[2][0]
        assert_zero(flat.subs(x, g1 / 2) - 1)
        assert_zero(sharp.subs(x, -g2 / 2))
        assert_zero((flat - sharp).subs(x, 0))
        fluxes = []
        for piece, f, g in ((flat, f1, g1), (sharp, f2, -g2)):
            potential = x * (x - g) / (2 * Delta)
            flux = (2 * Delta / f) ** alpha * sp.exp(-potential) * sp.diff(piece, x)
            assert_zero(sp.diff(flux, x))
            fluxes.append(sp.simplify(flux))
        assert_zero(sp.simplify((fluxes[0] / fluxes[1]).subs(x, 0)) - 1)
        for side, f, mass in zip(SIDES, (f1, f2), population, strict=True):
            weight = mass * (f / (2 * Delta)) ** (1 - alpha)
            ratio = cut.transition_rate(side, convention) * weight / fluxes[0]
            complement = ratio.replace(sp.erfc, lambda argument: 1 - sp.erf(argument))
            assert_zero(sp.cancel(complement.replace(sp.erf, sp.Function("erf"))) - 1)
        balance = cut.transition_rate("sharp", convention) / cut.transition_rate("flat", convention)
        assert_zero(sp.simplify(balance / cut.flat_odds(convention)) - 1)
        deep = 1 / cut.commitment(convention) - 1
        assert_zero(sp.limit(dawson_limit(deep), Delta, 0, "+") - (f1 / f2) ** alpha * g2 / g1)
    same = cut.flat_odds("first_passage") / sp.exp(reach(g1) ** 2 - reach(g2) ** 2)
    assert_zero(sp.limit(dawson_limit(same), Delta, 0, "+") - f1 / f2 * g2 / g1)
    return [
        Statement(
            "k = q/[(pi/4) f (1 + erf z) erfi z], q the commitment to the other side",
            f"{CUT}.transition_rate",
            True,
            "flux over population, floor to floor",
        ),
        Statement(
            "commitment of the ridge -> 1/(1 + gamma^alpha g2/g1): x1/(x1+x2), 1/2, x2/(x1+x2)",
            f"{CUT}.commitment",
            True,
            "deep barriers",
        ),
        Statement(
            "odds of times to the ridge -> gamma^(1/2) exp(z1^2 - z2^2) for g1/g2 = gamma^(1/2)",
            f"{CUT}.flat_odds",
            True,
            "deep barriers",
        ),
    ]


# %% [markdown]
# ## Isotropic noise
# `D = T` everywhere: the Gibbs density has the odds `gamma^(1/2)`. Times to the ridge, `(pi/2) f
# erfi(sqrt(Delta L/T))`, have the ratio `gamma` as barriers are equal: again without commitment.


# %%
def isotropic() -> list[Statement]:
    T, barrier = sp.symbols("T Delta_L", positive=True)
    mass = []
    for f in (f1, f2):
        g = 2 * sp.sqrt(barrier * f)
        mass.append(sp.integrate(sp.exp(-x * (x - g) / (f * T)), (x, 0, sp.oo)))
    assert_zero(sp.simplify(mass[0] / mass[1]) - sp.sqrt(f1 / f2))
    gibbs = valley.gibbs_probability()
    assert_zero(sp.simplify(gibbs / (1 - gibbs) - sp.sqrt(valley.flatness_ratio)))
    # w' in units of sqrt(f T): D = T in place of 2 Delta/f, so f T stands for 2 Delta.
    slope = sp.sqrt(sp.pi) / 2 * f1 * sp.exp(v**2) * (1 + sp.erf(v))
    assert_zero(T * sp.diff(slope, v) / (f1 * T) - 2 * v * slope / f1 - 1)
    times = [sp.pi / 2 * f * sp.erfi(sp.sqrt(barrier / T)) for f in (f1, f2)]
    equilibrium = valley.equilibrium_probability()
    odds = equilibrium / (1 - equilibrium)
    assert_zero(times[0] / times[1] - f1 / f2)
    assert_zero(sp.simplify(odds - valley.flatness_ratio))
    return [
        Statement(
            "isotropic noise: P_flat = x1/(x1 + x2) in the Gibbs density, at any y and T",
            f"{VALLEY}.gibbs_probability",
            True,
        ),
        Statement(
            "isotropic noise: gamma/(1 + gamma) by the times to the ridge",
            f"{VALLEY}.equilibrium_probability",
            True,
            "deep barriers, no commitment",
        ),
    ]


# %%
def derive() -> list[Statement]:
    return [
        *odds(),
        *effective_loss(),
        *passage_times(),
        *rates(),
        *isotropic(),
    ]
