"""Changes of variables against textbook cases, round trips, and densities on both grids."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.errors import FokkerPlanckWarning, InvalidModel

x, y, z, phi, q, v, t = sp.symbols("x y z phi q v t", real=True)
r, m = sp.symbols("r m", positive=True)
k, T, a, b = sp.symbols("k T a b", positive=True)
OU = fpk.Diffusion((x, y), [-k * x, -k * y], T * sp.eye(2))
POLAR = [sp.sqrt(x**2 + y**2), sp.atan2(y, x)]
CARTESIAN = {x: r * sp.cos(phi), y: r * sp.sin(phi)}


def equal(left: Any, right: Any) -> bool:
    return sp.simplify(sp.Matrix(left) - sp.Matrix(right)).is_zero_matrix


# Textbook cases ----------------------------------------------------------------------------------


@pytest.mark.parametrize("inverse", [None, CARTESIAN])
def test_polar_coordinates(inverse: Any) -> None:
    polar = OU.change_variables((r, phi), POLAR, inverse=inverse)
    assert polar.variables == (r, phi)
    assert equal(polar.drift, [T / r - k * r, 0])
    assert equal(polar.tensor, sp.diag(T, T / r**2))


def test_polar_coordinates_of_the_isothermal_form() -> None:
    """The form is kept, with the force ``J F + T grad ln r``, here ``-k r + T/r``."""
    form = fpk.Diffusion.from_isothermal((x, y), [-k * x, -k * y], T * sp.eye(2))
    polar = form.change_variables((r, phi), POLAR, inverse=CARTESIAN)
    assert polar.convention == "isothermal"
    assert equal(polar.force, [T / r - k * r, 0])
    assert equal(polar.drift, [T / r - k * r, 0])
    # p(r) = r exp(-k r^2/(2 T)): the Jacobian is in the potential.
    assert sp.simplify(polar.potential() - k * r**2 / (2 * T) + sp.log(r)) == 0


def test_isothermal_and_ito_agree_where_the_tensor_varies() -> None:
    tensor = sp.Matrix([[1 + y**2, x * y / 2], [x * y / 2, 2 + x**2]])
    form = fpk.Diffusion.from_isothermal((x, y), [-x + y, -y], tensor)
    map_ = [x + y**3 / 3, y]
    back = {x: v - q**3 / 3, y: q}
    kept = form.change_variables((v, q), map_, inverse=back)
    ito = fpk.Diffusion((x, y), form.drift, tensor).change_variables((v, q), map_, inverse=back)
    assert (kept.convention, ito.convention) == ("isothermal", "ito")
    assert equal(kept.drift, ito.drift)
    assert equal(kept.tensor, ito.tensor)


def test_logarithm_of_geometric_brownian_motion() -> None:
    geometric = fpk.Diffusion((m,), [a * m], [[b**2 * m**2 / 2]])
    logarithm = geometric.change_variables((z,), [sp.log(m)])
    assert equal(logarithm.drift, [a - b**2 / 2])
    assert equal(logarithm.tensor, [[b**2 / 2]])


def test_stratonovich_obeys_the_chain_rule() -> None:
    geometric = fpk.Diffusion.from_stratonovich((m,), [a * m], [[b * m]])
    logarithm = geometric.change_variables((z,), [sp.log(m)])
    assert logarithm.convention == "stratonovich"
    assert equal(logarithm.given, [a])
    assert equal(logarithm.noise_matrix, [[b]])
    assert equal(logarithm.drift, [a])
    ito = fpk.Diffusion((m,), geometric.drift, geometric.tensor)
    assert equal(ito.change_variables((z,), [sp.log(m)]).drift, [a])


def test_two_sources_of_noise() -> None:
    noise = [[1, x], [0, sp.exp(y)]]
    given = fpk.Diffusion.from_stratonovich((x, y), [-x, -y], noise)
    ito = fpk.Diffusion((x, y), given.drift, given.tensor)
    map_ = [x - y, sp.exp(y)]
    new = (v, m)
    first, second = given.change_variables(new, map_), ito.change_variables(new, map_)
    assert equal(first.drift, second.drift)
    assert equal(first.tensor, second.tensor)


def test_moving_frame() -> None:
    """Time passes through, and a map that depends on it adds its velocity."""
    driven = fpk.Diffusion((x,), [-k * x + sp.cos(t)], [[T]], time=t)
    moving = driven.change_variables((z,), [x - a * t])
    assert moving.time == t
    assert equal(moving.drift, [-k * (z + a * t) + sp.cos(t) - a])
    form = fpk.Diffusion.from_isothermal((x,), [-k * x], [[T]], time=t)
    assert equal(form.change_variables((z,), [x - a * t]).force, [-k * (z + a * t) - a])


def test_round_trip() -> None:
    tensor = sp.Matrix([[1 + y**2, y], [y, 2]])
    given = fpk.Diffusion((x, y), [-(x**3) + y, -y], tensor)
    there = given.change_variables((v, q), [x + y**2, y])
    back = there.change_variables((x, y), [v - q**2, q])
    assert back.variables == (x, y)
    assert equal(back.drift, given.drift)
    assert equal(back.tensor, given.tensor)


def test_names_may_stay() -> None:
    doubled = fpk.Diffusion((x,), [-k * x], [[T]]).change_variables((x,), [2 * x])
    assert equal(doubled.drift, [-k * x])
    assert equal(doubled.tensor, [[4 * T]])
    plain = fpk.Diffusion((x,), [1 - x], [[T]]).change_variables((z,), [sp.Symbol("x") + 1])
    assert equal(plain.drift, [2 - z])


def test_averages_over_data() -> None:
    c = sp.Symbol("c", real=True)
    loss = (m - c) ** 2 / 2
    data = fpk.noise.PerSample(loss, {c: [0.5, 1.0, 2.5, -1.0]})
    sgd = fpk.SGD(loss, (m,), data, learning_rate=0.1)
    logarithm = sgd.diffusion().change_variables((z,), [sp.log(m)])
    fixed = (
        fpk.SGD((m - 0.75) ** 2 / 2, (m,), fpk.noise.Isotropic(1.5625), learning_rate=0.1)
        .diffusion()
        .change_variables((z,), [sp.log(m)])
    )
    grid = fpk.Grid(z=(-4, 3, 50))
    first, second = (fpk.assemble(d, grid).matrix.toarray() for d in (logarithm, fixed))
    np.testing.assert_allclose(first, second, rtol=1e-10, atol=1e-10 * abs(second).max())


# Networks ------------------------------------------------------------------------------------


def test_product_and_imbalance_of_two_weights() -> None:
    """The drift of q is the law of balance, and the noise runs along v alone."""
    u, w = sp.symbols("u w", positive=True)
    product = u * w
    strength = T * (product - a) ** 2
    along = sp.Matrix([w, u])
    network = fpk.Diffusion((u, w), -along * (product - 1), strength * along * along.T)
    plane = network.change_variables((v, q), [product, u**2 - w**2])
    size = sp.sqrt(q**2 + 4 * v**2)  # u^2 + w^2
    assert equal(
        plane.drift, [-(v - 1) * size + 2 * T * (v - a) ** 2 * v, -2 * T * (v - a) ** 2 * q]
    )
    assert equal(plane.tensor, sp.diag(T * (v - a) ** 2 * size**2, 0))
    logarithm = plane.change_variables((z, q), [sp.log(v), q], inverse={v: sp.exp(z), q: q})
    given = {v: sp.exp(z)}
    assert equal([logarithm.tensor[0, 0] * sp.exp(2 * z)], [plane.tensor[0, 0].subs(given)])
    along = plane.drift[0] / v - plane.tensor[0, 0] / v**2
    assert equal([logarithm.drift[0]], [along.subs(given)])
    assert equal([logarithm.drift[1]], [plane.drift[1].subs(given)])


# Densities -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["ito", "isothermal", "stratonovich"])
def test_density_transforms_with_the_jacobian(form: str) -> None:
    """p(z) dz = p(x) dx, each solved on its own grid, for z = asinh x and noise that varies."""
    noise = sp.sqrt(1 + x**2 / 2)
    if form == "stratonovich":
        given = fpk.Diffusion.from_stratonovich((x,), [-2 * x + 1], [[noise]])
    elif form == "ito":
        given = fpk.Diffusion((x,), [-2 * x + 1], [[noise**2 / 2]])
    else:
        given = fpk.Diffusion.from_isothermal((x,), [-2 * x + 1], [[noise**2 / 2]])
    changed = given.change_variables((z,), [sp.asinh(x)])
    assert changed.convention == form
    wide = fpk.Grid(x=fpk.Mapped(sp.sinh(z), z, (-4, 4, 800)))
    direct = fpk.stationary_density(fpk.assemble(given, wide))
    grid = fpk.Grid(z=(-4, 4, 800))
    through = fpk.stationary_density(fpk.assemble(changed, grid))
    masses = through.values * grid.volumes
    np.testing.assert_allclose(masses, direct.values * wide.volumes, atol=2e-4 * masses.max())


def test_jump_of_the_tensor_stays_right() -> None:
    """In either form; the density jumps in the Itô one only (by the factor 4), at z = 0 too."""
    tensor = sp.Piecewise((1, x < 0), (4, True))
    for build, factor in ((fpk.Diffusion, 4.0), (fpk.Diffusion.from_isothermal, 1.0)):
        given = build((x,), [0], [[tensor]])
        changed = given.change_variables((z,), [sp.asinh(x)])
        grid = fpk.Grid(z=(-1, 1, 400))
        density = fpk.stationary_density(fpk.assemble(changed, grid))
        # p(z) = p(x) cosh z with p(x) constant on either side.
        level = density.values / np.cosh(grid.centers[0])
        assert level[100] / level[300] == pytest.approx(factor, rel=1e-3)
        np.testing.assert_allclose(level[:195], level[100], rtol=1e-3)


# Projections and branches --------------------------------------------------------------------


def test_projections_that_close() -> None:
    radius = OU.change_variables((r,), [sp.sqrt(x**2 + y**2)])
    assert equal(radius.drift, [T / r - k * r])
    assert equal(radius.tensor, [[T]])
    total = OU.change_variables((z,), [x + y])
    assert equal(total.drift, [-k * z])
    assert equal(total.tensor, [[2 * T]])
    form = fpk.Diffusion.from_isothermal((x, y), [-k * x, -k * y], T * sp.eye(2))
    assert form.change_variables((z,), [x + y]).convention == "ito"


def test_square_of_both_signs_and_one_branch() -> None:
    with pytest.warns(FokkerPlanckWarning, match=r"determinant 2\*x may vanish"):
        square = fpk.Diffusion((x,), [-k * x], [[T]]).change_variables((m,), [x**2])
    assert equal(square.drift, [2 * T - 2 * k * m])
    shifted = fpk.Diffusion((x,), [1 - x], [[T]])
    with pytest.warns(FokkerPlanckWarning), pytest.raises(InvalidModel, match="choose one with"):
        shifted.change_variables((m,), [x**2])
    with pytest.warns(FokkerPlanckWarning):
        right = shifted.change_variables((m,), [x**2], inverse={x: sp.sqrt(m)})
    assert equal(right.drift, [2 * sp.sqrt(m) - 2 * m + 2 * T])
    declared = fpk.Diffusion((r,), [1 - r], [[T]]).change_variables((m,), [r**2])
    assert equal(declared.drift, right.drift)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: OU.change_variables((z,), [x * y]), r"no functions of \[z\] alone"),
        (
            lambda: OU.change_variables((z,), [x * y], inverse={x: z, y: 1}),
            r"no functions of \[z\] alone",
        ),
        (lambda: OU.change_variables((v, q), [x + y, 2 * x + 2 * y]), "depend on each other"),
        (lambda: OU.change_variables((v, q, z), [x, y, x + y]), "3 new variables for 2"),
        (lambda: OU.change_variables((sp.Symbol("k"), q), [x, y]), r"\['k'\] name new variables"),
        (lambda: OU.change_variables((v, q), [x]), "needs one entry"),
        (lambda: OU.change_variables((v, q), [sp.Abs(x), y]), "local time"),
        (lambda: OU.change_variables((v, q), [x, y], inverse={x: v}), r"it needs \['x', 'y'\]"),
        (
            lambda: OU.change_variables((v, q), [x + y, y], inverse={x: v + q, y: q}),
            "inverse is none",
        ),
        (
            lambda: OU.change_variables((v, q), [x + sp.exp(x + y), y + sp.sin(x) / 2]),
            r"give inverse=\{x: ..., y: ...\}",
        ),
        (
            lambda: fpk.Diffusion((x,), [-x], [[x]], negative="clip").change_variables((z,), [x]),
            "clipped",
        ),
    ],
)
def test_refused(build: Any, message: str) -> None:
    with warnings.catch_warnings(action="ignore"), pytest.raises(InvalidModel, match=message):
        build()
