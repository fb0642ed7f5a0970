# %% [markdown]
# # Itô, Stratonovich and isothermal form of one diffusion
#
#     Itô           dp/dt = -d_i (A_i p) + d_i d_j (D_ij p),          D = B B^T/2
#     Stratonovich  dp/dt = -d_i (a_i p) + (1/2) d_i (B_ik d_j (B_jk p))
#     isothermal    dp/dt = -d_i (F_i p - D_ij d_j p)
#
# `A = a + (1/2) B_jk d_j B_ik = F + div D`. Coefficients are arbitrary functions; d = 1 and 2.

# %%
from __future__ import annotations

import sympy as sp

from derivations._algebra import arbitrary, assert_zero, flux, fokker_planck
from derivations._report import Statement
from fokkerplanck import Diffusion

x, y = sp.symbols("x y", real=True)
PLANES = ((x,), (x, y))


def functions(name: str, rows: int, columns: int, variables: tuple[sp.Symbol, ...]) -> sp.Matrix:
    """A matrix of arbitrary functions."""
    return sp.Matrix(rows, columns, lambda i, j: arbitrary(f"{name}_{i}{j}", *variables))


# %% [markdown]
# ## Stratonovich: the noise acts at the midpoint of its own step
# `dx_i = a_i dt + B_ik(x + dx/2) dW_k`. Expanded to the order of dt, with `E[dW_k dW_l] = dt` for
# k = l and 0 otherwise, the mean is `a_i + (1/2) B_jk d_j B_ik`. The covariance is that of Itô.


# %%
def midpoint() -> list[Statement]:
    for variables in PLANES:
        size = len(variables)
        noise, drift = functions("B", size, 2, variables), functions("a", size, 1, variables)
        increments = sp.symbols("w_0 w_1", real=True)  # dW/sqrt(dt)
        half = noise * sp.Matrix(increments) / 2
        mean = []
        for i in range(size):
            second = sum(
                sp.diff(noise[i, k], v) * half[j] * increments[k]
                for j, v in enumerate(variables)
                for k in range(2)
            )
            # E[w_k w_l] is 1 for k = l, else 0.
            poly = sp.Poly(sp.expand(second), *increments)
            mean.append(drift[i] + poly.coeff_monomial(increments[0] ** 2))
            mean[-1] += poly.coeff_monomial(increments[1] ** 2)
        model = Diffusion.from_stratonovich(variables, drift, noise)
        assert_zero(sp.Matrix(model.drift) - sp.Matrix(mean))
        assert_zero(sp.Matrix(model.tensor) - noise * noise.T / 2)
    return [
        Statement(
            "A_i = a_i + (1/2) B_jk d_j B_ik from the midpoint rule",
            "fokkerplanck.Diffusion.from_stratonovich",
            True,
            "d = 1 and 2, two Wiener processes",
        ),
    ]


# %% [markdown]
# ## The three equations are one
# The left sides are the package's Itô drift and tensor in the Itô equation, the right sides the
# equation of the convention, applied to an arbitrary p.


# %%
def equations() -> list[Statement]:
    for variables in PLANES:
        size = len(variables)
        p = arbitrary("p", *variables)
        noise, drift = functions("B", size, 2, variables), functions("a", size, 1, variables)
        direct = -sum(sp.diff(drift[i] * p, v) for i, v in enumerate(variables))
        direct += sum(
            sp.diff(noise[i, k] * sp.diff(noise[j, k] * p, u), v) / 2
            for i, v in enumerate(variables)
            for j, u in enumerate(variables)
            for k in range(2)
        )
        stratonovich = Diffusion.from_stratonovich(variables, drift, noise)
        assert_zero(fokker_planck(stratonovich, p) - direct)

        tensor = noise * noise.T / 2
        isothermal = Diffusion.from_isothermal(variables, drift, tensor)
        kinetic = drift * p - tensor * sp.Matrix([sp.diff(p, v) for v in variables])
        assert_zero(flux(isothermal, p) - kinetic)
        ito = Diffusion(variables, isothermal.drift, tensor)
        assert_zero(sp.Matrix(ito.force) - drift)
        assert_zero(sp.Matrix(Diffusion(variables, drift, tensor).drift) - drift)
    return [
        Statement(
            "A = a + (1/2) B_jk d_j B_ik turns the Stratonovich equation into that of Itô",
            "fokkerplanck.Diffusion.from_stratonovich",
            True,
            "d = 1 and 2",
        ),
        Statement(
            "A = F + div D, J = F p - D grad p",
            "fokkerplanck.Diffusion.from_isothermal",
            True,
            "d = 1 and 2",
        ),
        Statement("F = A - div D", "fokkerplanck.Diffusion.force", True, "d = 1 and 2"),
    ]


# %% [markdown]
# ## Stationary densities in one dimension
# With `A = a + alpha D'` (alpha = 0 Itô, 1/2 Stratonovich, 1 isothermal) the density without flux
# is `p = D^-(1-alpha) exp(int a/D dx)`.


# %%
def one_dimension() -> list[Statement]:
    alpha = sp.Symbol("alpha", real=True)
    tensor = arbitrary("D", x, positive=True)
    drift = arbitrary("a", x)
    model = Diffusion((x,), [drift + alpha * sp.diff(tensor, x)], [[tensor]])
    density = tensor ** (alpha - 1) * sp.exp(sp.Integral(drift / tensor, x))
    assert_zero(flux(model, density) / density)

    force, squared = -x - x**3, 1 + x**2
    conventions = {
        0: Diffusion((x,), [force], [[squared]]),
        sp.Rational(1, 2): Diffusion.from_stratonovich((x,), [force], [[sp.sqrt(2 * squared)]]),
        1: Diffusion.from_isothermal((x,), [force], [[squared]]),
    }
    for value, convention in conventions.items():
        by_formula = (1 - value) * sp.log(squared) - sp.integrate(sp.cancel(force / squared), x)
        assert_zero(sp.diff(convention.potential() - by_formula, x))
        expected = force + value * sp.diff(squared, x)
        assert_zero(convention.drift[0] - expected)
    return [
        Statement(
            "p = D^-(1-alpha) exp(int a/D dx), alpha = 0, 1/2, 1",
            "fokkerplanck.Diffusion.potential",
            True,
            "d = 1",
        ),
    ]


# %% [markdown]
# ## Detailed balance in two dimensions
# `F = -D grad Phi` gives `p = exp(-Phi)` without flux, whatever D. The Stratonovich drift is not
# fixed by D alone: `B O` with a rotation O(x, y) has the same D and another correction.


# %%
def two_dimensions() -> list[Statement]:
    noise = functions("B", 2, 2, (x, y))
    tensor = noise * noise.T / 2
    potential = arbitrary("Phi", x, y)
    slope = sp.Matrix([sp.diff(potential, x), sp.diff(potential, y)])
    model = Diffusion.from_isothermal((x, y), -tensor * slope, tensor)
    assert_zero(flux(model, sp.exp(-potential)))

    phi = x**2 / 2 + x * y / 3 + y**4
    anisotropic = sp.Matrix([[1 + x**2, x * y / 2], [x * y / 2, 2 + y**2]])
    slope = sp.Matrix([phi.diff(x), phi.diff(y)])
    found = Diffusion.from_isothermal((x, y), -anisotropic * slope, anisotropic).potential()
    assert_zero(found - phi - (found - phi).subs({x: 0, y: 0}))

    angle = arbitrary("phi", x, y)
    rotation = sp.Matrix([[sp.cos(angle), -sp.sin(angle)], [sp.sin(angle), sp.cos(angle)]])
    plain = Diffusion.from_stratonovich((x, y), [0, 0], sp.eye(2))
    turned = Diffusion.from_stratonovich((x, y), [0, 0], rotation)
    assert_zero(sp.Matrix(plain.tensor - turned.tensor))
    turn = sp.Matrix([-sp.diff(angle, y), sp.diff(angle, x)]) / 2
    assert_zero(sp.Matrix(turned.drift - plain.drift) - turn)
    return [
        Statement(
            "F = -D grad Phi has p = exp(-Phi) and no flux",
            "fokkerplanck.Diffusion.potential",
            True,
            "d = 2",
        ),
        Statement(
            "B O with O a rotation by phi(x, y) adds (-d_y phi, d_x phi)/2 to the drift, D = I/2",
            "fokkerplanck.Diffusion.from_stratonovich",
            True,
        ),
    ]


# %%
def derive() -> list[Statement]:
    return [*midpoint(), *equations(), *one_dimension(), *two_dimensions()]
