"""Closed-form potentials: known ones come back, quickly; a curl of any kind gives None."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp

from fokkerplanck.errors import InvalidModel
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.samples import Dataset, SampleMean

x, y, z = sp.symbols("x y z", real=True)
a, b, c, k = sp.symbols("a b c k", positive=True)
JUMP = sp.Piecewise((1, x < 0), (2, True))
# A rotating tensor once took minutes; the worst case here takes 0.6 s on an idle core.
QUICK = 15.0


def gibbs(potential: sp.Expr, tensor: Any, variables: Sequence[sp.Symbol]) -> Diffusion:
    """The Itô diffusion with the density exp(-potential) and no current."""
    matrix = sp.Matrix(tensor)
    divergence = [
        sum(sp.diff(matrix[i, j], v) for j, v in enumerate(variables))
        for i in range(len(variables))
    ]
    slope = sp.Matrix([sp.diff(potential, v) for v in variables])
    return Diffusion(variables, sp.Matrix(divergence) - matrix * slope, matrix)


def rotated(angle: sp.Expr, weak: Any) -> sp.Matrix:
    turn = sp.Matrix([[sp.cos(angle), -sp.sin(angle)], [sp.sin(angle), sp.cos(angle)]])
    return turn * sp.diag(1, weak) * turn.T


def differ(found: sp.Expr | None, wanted: sp.Expr, variables: Sequence[sp.Symbol]) -> float:
    """Largest change of the difference between random points, relative to that of `wanted`."""
    assert found is not None
    rng = np.random.default_rng(1)
    free = sorted(found.free_symbols | wanted.free_symbols, key=str)
    values = []
    for _ in range(12):
        point = {s: rng.uniform(0.2, 1.2) if s in (a, b, c, k) else None for s in free}
        values.append(point)
    fixed = {s: v for s, v in values[0].items() if v is not None}
    pairs = []
    for _ in range(12):
        point = {**fixed, **{v: rng.uniform(-1, 1) for v in variables}}
        pairs.append([float(e.subs(point).evalf()) for e in (found, wanted)])
    table = np.array(pairs)
    return float(np.ptp(table[:, 0] - table[:, 1]) / np.ptp(table[:, 1]))


WELL = (x**2 - 1) ** 2 / 4 + x * y + y**2
VALLEY = (x**2 - 1) ** 2 / 4 + 2 * sp.exp(x / 2) * y**2


@pytest.mark.parametrize(
    ("potential", "tensor"),
    [
        (WELL, [[a, b / 9], [b / 9, c + 1]]),
        (VALLEY, sp.diag(1, 4 * sp.exp(x / 2))),
        (VALLEY, sp.Matrix([[2, 1], [1, 3]]) * (1 + x**2 + sp.exp(-(y**2)))),
        (WELL, rotated(x, sp.Rational(1, 100))),
        (WELL, rotated(x * y, 0.013)),
        (WELL, rotated(sp.atan2(y, x + 3), (1 + x**2) / 50)),
        (sp.log(1 + sp.exp(-x - 2 * y)) + x**2 + y**2, [[2, 1], [1, 3]]),
        (sp.log(sp.cosh(x + k * y)) + x**2, sp.eye(2)),
        (0.3 * x**2 + 0.7 * x * y + 0.9 * y**2, [[0.1, 0.03], [0.03, 0.2]]),
        (0.3 * x**4 + 0.7 * x * y, sp.Matrix([[0.1, 0.03], [0.03, 0.2]]) * (1.1 + 0.3 * x**2)),
        (WELL, 1e-12 * sp.eye(2)),
    ],
)
def test_known_potentials_come_back(potential: sp.Expr, tensor: Any) -> None:
    began = time.process_time()
    found = gibbs(potential, tensor, (x, y)).potential()
    assert time.process_time() - began < QUICK
    assert differ(found, potential, (x, y)) < 1e-9


def test_rounded_products_still_cancel() -> None:
    # Expanding multiplies the floats out: common factors agree to 16 digits only.
    turn = rotated(sp.Float(0.3), 0.01) * (1.1 + 0.3 * x**2)
    wanted = 0.3 * x**4 + 0.7 * x * y + 0.9 * y**2
    given = gibbs(wanted, turn, (x, y))
    found = Diffusion((x, y), given.drift.expand(), given.tensor.expand()).potential()
    assert differ(found, wanted, (x, y)) < 1e-9
    assert sp.Poly(found, x, y).total_degree() == 4


def test_three_dimensions_in_every_convention() -> None:
    wanted = WELL + z**2 * sp.exp(x) + y * z
    tensor = sp.Matrix([[2, 1, 0], [1, 3, sp.sin(x)], [0, sp.sin(x), 2]])
    ito = gibbs(wanted, tensor, (x, y, z))
    assert differ(ito.potential(), wanted, (x, y, z)) < 1e-9
    isothermal = Diffusion.from_isothermal((x, y, z), ito.force, tensor)
    assert differ(isothermal.potential(), wanted, (x, y, z)) < 1e-9


def test_stratonovich_in_two_dimensions() -> None:
    # Independent sqrt(2)(1 + x^2) o dW_1, sqrt(2) dW_2: J = a p - B d(B p)/2 = 0 for
    # p = exp(-x^2 - y^2)/(1 + x^2) with a = -(B^2/2) d(x^2), -2y.
    noise = [[sp.sqrt(2) * (1 + x**2), 0], [0, sp.sqrt(2)]]
    diffusion = Diffusion.from_stratonovich((x, y), [-2 * x * (1 + x**2) ** 2, -2 * y], noise)
    wanted = x**2 + y**2 + sp.log(1 + x**2)
    assert differ(diffusion.potential(), wanted, (x, y)) < 1e-9


@pytest.mark.parametrize(
    "drift",
    [
        (-x - y, -y + x),
        (-x - sp.Float(1e-6) * y, -y + sp.Float(1e-6) * x),
        (-x - k * y, -y + k * x),
        (-sp.sin(y), sp.Integer(0)),
    ],
)
def test_rotation_has_no_potential(drift: tuple[sp.Expr, ...]) -> None:
    assert Diffusion((x, y), drift, sp.eye(2)).potential() is None


def test_anisotropy_breaks_detailed_balance() -> None:
    # A gradient drift with a constant tensor that does not commute with the Hessian.
    slope = (-2 * x - y, -x - 2 * y)
    assert Diffusion((x, y), slope, sp.diag(1, 2)).potential() is None
    assert Diffusion((x, y), slope, rotated(x, sp.Rational(1, 3))).potential() is None
    assert Diffusion((x, y), slope, [[2, 1], [1, 2]]).potential() is not None


def test_rounding_is_no_curl() -> None:
    parameters = {a: 0.1, b: 0.7, c: 1 / 3}
    diffusion = gibbs(a * x**2 + b * x * y + c * y**2, [[b, a], [a, c]], (x, y)).subs(parameters)
    assert diffusion.potential() is not None


def test_degenerate_noise_has_none() -> None:
    assert Diffusion((x, y), (y, -x - y), sp.diag(0, 1)).potential() is None


# Jumps --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "ratio"),
    [
        # What is continuous at the jump from D = 1 to D = 2: D p, sqrt(D) p, p.
        (lambda: Diffusion((x,), [-x], [[JUMP]]), 1 / 2),
        (lambda: Diffusion.from_stratonovich((x,), [-x], [[sp.sqrt(2 * JUMP)]]), 2**-0.5),
        (lambda: Diffusion.from_isothermal((x,), [-x], [[JUMP]]), 1.0),
    ],
)
def test_density_across_a_jump(build: Any, ratio: float) -> None:
    potential = build().potential()
    left, right = (float(potential.subs(x, s).evalf(20)) for s in (-1e-12, 1e-12))
    assert np.exp(left - right) == pytest.approx(ratio, rel=1e-9)
    # On either side exp(-x^2/(2 D)).
    for side, strength in ((-1, 1), (1, 2)):
        rise = potential.subs(x, 2.0 * side) - potential.subs(x, 1.0 * side)
        assert float(rise.evalf()) == pytest.approx(3 / (2 * strength), rel=1e-9)


def test_curl_on_a_jump_is_seen() -> None:
    # Both are free of curl on each side, but not across x = 0.
    assert Diffusion.from_isothermal((x, y), [0, -y], JUMP * sp.eye(2)).potential() is None
    assert Diffusion((x, y), [-x, -sp.sign(x) * y], sp.eye(2)).potential() is None


def test_bends_of_the_loss_are_no_curl() -> None:
    assert (
        differ(gibbs(sp.Abs(x) + y**2, sp.eye(2), (x, y)).potential(), sp.Abs(x) + y**2, (x, y))
        < 1e-9
    )
    loss = sp.Max(x, 0) ** 2 + y**2
    assert differ(gibbs(loss, 2 * sp.eye(2), (x, y)).potential(), loss, (x, y)) < 1e-9


def test_jumps_in_two_dimensions_need_the_isothermal_form() -> None:
    with pytest.raises(InvalidModel, match="jumps"):
        Diffusion((x, y), [-x, -y], JUMP * sp.eye(2)).potential()
    isothermal = Diffusion.from_isothermal((x, y), [-x * JUMP, -y], sp.diag(JUMP, 1))
    assert differ(isothermal.potential(), (x**2 + y**2) / 2, (x, y)) < 1e-9


# Where there is no formula ------------------------------------------------------------------------


def test_integral_where_there_is_no_closed_form() -> None:
    slope = sp.sin(sp.exp(x) + x**3)
    potential = Diffusion((x,), [-slope], [[2]]).potential()
    assert potential is not None
    assert potential.has(sp.Integral)
    (integral,) = potential.atoms(sp.Integral)
    s, low, high = integral.limits[0]
    value = (potential / integral).subs(x, 0.7) * mpmath.quad(
        sp.lambdify(s, integral.function.subs(x, 0.7), "mpmath"), [low, high]
    )
    wanted = mpmath.quad(sp.lambdify(x, slope / 2, "mpmath"), [0, 0.7])
    assert float(value) == pytest.approx(float(wanted), rel=1e-10)


def test_domain_away_from_the_origin() -> None:
    wanted = (x - 5) * sp.log(x - 5) - x + y**2 / 2
    found = Diffusion((x, y), [-sp.log(x - 5), -y], sp.eye(2)).potential()
    assert found is not None
    for v in (x, y):
        assert sp.simplify(sp.diff(found - wanted, v)) == 0
    with pytest.raises(InvalidModel, match="no finite real"):
        Diffusion((x, y), [sp.sqrt(-1 - x**2), -y], sp.eye(2)).potential()


def test_averages_over_data_have_no_formula() -> None:
    weight = sp.Symbol("w", real=True)
    mean = SampleMean(sp.log(1 + sp.exp(x * weight)), Dataset({"w": [1.0, 2.0]}))
    with pytest.raises(InvalidModel, match="average over data"):
        Diffusion((x,), [-mean], [[1]]).potential()
