"""Which scheme is taken by default, and what is said of a grid that does not resolve a problem."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.discretize.log_density_operator import LogDensityOperator
from fokkerplanck.errors import FokkerPlanckWarning, UnresolvedWarning

x, y, z, w = sp.symbols("x y z w", real=True)
SWIRL = [-x + y, -x - y]


def turned(anisotropy: float, angle: Any) -> sp.Matrix:
    frame = sp.Matrix([[sp.cos(angle), -sp.sin(angle)], [sp.sin(angle), sp.cos(angle)]])
    return frame * sp.diag(1, 1 / sp.Float(anisotropy)) * frame.T


def square(cells: int, reach: float = 5.0, **options: Any) -> fpk.Grid:
    return fpk.Grid(x=(-reach, reach, cells), y=(-reach, reach, cells), **options)


def in_balance(potential: sp.Expr, tensor: sp.Matrix) -> fpk.Diffusion:
    slope = sp.Matrix([sp.diff(potential, v) for v in (x, y)])
    return fpk.Diffusion.from_isothermal((x, y), -tensor * slope, tensor)


def quietly(model: fpk.Diffusion, grid: fpk.Grid, scheme: Any = None) -> fpk.FokkerPlanckOperator:
    with warnings.catch_warnings():
        warnings.simplefilter("error", FokkerPlanckWarning)
        return fpk.assemble(model, grid, scheme)


def test_one_dimension() -> None:
    operator = quietly(fpk.Diffusion((x,), [-x], [[1]]), fpk.Grid(x=(-5, 5, 80)))
    assert operator.info["choice"].startswith("Selling(): one dimension")


def test_a_potential_is_taken_by_selling() -> None:
    operator = quietly(in_balance(x**2 + y**2, turned(4, 0.4)), square(64, 4.0))
    assert operator.info["scheme"] == "Selling"
    assert "detailed balance" in operator.info["choice"]
    assert "anisotropy 4" in operator.info["choice"]
    assert "Corner" not in operator.info["choice"]
    strong = quietly(in_balance(x**2 + y**2, turned(80, 0.4)), square(64, 4.0))
    assert "anisotropy 80: Corner() gives" in strong.info["choice"]


def test_moderate_anisotropy_without_potential_is_taken_by_selling() -> None:
    operator = quietly(fpk.Diffusion((x, y), SWIRL, turned(9, 0.4)), square(80))
    assert "no potential, anisotropy 9, at most 10" in operator.info["choice"]
    assert operator.info["drift"] == "face force"


def test_strong_anisotropy_without_potential_is_taken_by_log_density() -> None:
    operator = quietly(fpk.Diffusion((x, y), SWIRL, turned(100, 0.4)), square(80))
    assert isinstance(operator, LogDensityOperator)
    assert "LogDensity(): no potential, anisotropy 100" in operator.info["choice"]


@pytest.mark.parametrize(
    ("model", "grid", "words"),
    [
        (fpk.Diffusion((x, y), SWIRL, turned(100, 0.4)), square(80, boundary="absorbing"), "walls"),
        (fpk.Diffusion((x, y), SWIRL, turned(100, 0.4)), square(24), "fewer than 32 cells"),
        (fpk.Diffusion((x, y), [y, -x - y], [[0, 0], [0, 1]]), square(40), "degenerate"),
        (
            fpk.Diffusion((x, y, z, w), [y - x, -x - y, -z, -w], sp.diag(1, 1, 1, 0.01)),
            fpk.Grid(x=(-4, 4, 6), y=(-4, 4, 6), z=(-4, 4, 6), w=(-1, 1, 6)),
            "four dimensions",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.UnresolvedWarning")
def test_what_log_density_is_not_offered(model: Any, grid: fpk.Grid, words: str) -> None:
    operator = fpk.assemble(model, grid)
    assert operator.info["scheme"] == "Selling"
    assert re.search(f"not LogDensity.*{words}", operator.info["choice"])


def test_ito_jump_is_named() -> None:
    tensor = sp.Piecewise((2, x > 0), (1, True)) * sp.eye(2)
    operator = quietly(fpk.Diffusion((x, y), [-x, -y], tensor), square(40))
    assert "Itô tensor jumps" in operator.info["choice"]
    assert operator.info["drift"] == "source cell"


def message(model: fpk.Diffusion, grid: fpk.Grid) -> str:
    with pytest.warns(UnresolvedWarning) as caught:
        fpk.assemble(model, grid, fpk.Selling())
    assert len(caught) == 1
    # The warning points at the line that asked for the operator.
    assert Path(caught[0].filename) == Path(__file__)
    return str(caught[0].message)


def test_steps_of_the_potential() -> None:
    """A well a tenth as wide as the others, where it matters; nothing where it does not."""
    narrow = fpk.Diffusion((x,), [-400 * x], [[1]])
    text = message(narrow, fpk.Grid(x=(-1, 1, 20)))
    number = re.search(r"rises by ([\d.]+) from cell to cell along x at \(x\) = \(", text)
    assert number is not None
    # Centres at 0.15 and 0.25: Phi = 200 x^2 rises by 8, and starts at 4.5 of log 1000.
    assert float(number.group(1)) == pytest.approx(8)
    assert "times as many cells" in text
    quietly(narrow, fpk.Grid(x=(-1, 1, 80)))
    # Steep far up, where the density is e^-50: no concern.
    quietly(fpk.Diffusion((x,), [-x - x**7 / 10], [[1]]), fpk.Grid(x=(-4, 4, 100)))


def test_noise_that_turns_faster_than_the_stencil() -> None:
    """Turning noise of anisotropy 100 is warned of; 10, or 100 that does not turn, is not."""
    potential = 2 * ((x**2 - 1) ** 2 + y**2)
    model = in_balance(potential, turned(100, sp.sin(x) + 0.5 * sp.sin(y)))
    text = message(model, square(40, 2.2))
    assert re.search(r"anisotropy 100, turning from cell to cell along x at \(x, y\)", text)
    assert "use Corner()" in text
    operator = quietly(in_balance(potential, turned(10, 0.6 * sp.sin(x))), square(64, 2.2))
    assert 0.1 < operator.info["stencil_turn"] < 1.6
    assert operator.info["anisotropy"] == pytest.approx(10)
    quietly(in_balance(potential, turned(100, 0.7)), square(64, 2.2))


def test_drift_that_converges_within_a_cell() -> None:
    """A limit cycle with a radial layer of width sqrt(D / (2 strength))."""
    radius = x**2 + y**2

    def cycle(strength: float) -> fpk.Diffusion:
        pull = strength * (1 - radius)
        return fpk.Diffusion((x, y), [x * pull - y, y * pull + x], 0.01 * sp.eye(2))

    text = message(cycle(5.0), square(40, 1.6))
    number = re.search(r"cell Péclet number ([\d.]+), anisotropy 1\)", text)
    assert number is not None
    assert float(number.group(1)) == pytest.approx(10 * 0.08**2 / 0.01, rel=0.5)
    assert "layer" in text
    assert "LogDensity" not in text
    operator = quietly(cycle(5.0), square(120, 1.6))
    assert operator.info["cell_peclet"] < 1


def test_strong_anisotropy_is_held_to_more() -> None:
    stiff = fpk.Diffusion((x, y), SWIRL, turned(100, 0.4))
    text = message(stiff, square(100))
    assert "anisotropy 100" in text
    assert "use LogDensity()" in text


def test_well_resolved_problems_are_quiet() -> None:
    two_wells = (x**2 - 1) ** 2 + y**2
    quietly(in_balance(two_wells, sp.Matrix([[1, 0.3], [0.3, 0.5]])), square(64, 3.0))
    quietly(fpk.Diffusion((x, y), SWIRL, turned(5, 0.4)), square(64))
    shift = fpk.SGD(two_wells / 4, (x, y), fpk.noise.Isotropic(4.0), learning_rate=0.1)
    quietly(shift.diffusion(), square(64, 3.0))
    momentum = fpk.Momentum(
        x**2 / 2, (x,), fpk.noise.Isotropic(0.4), learning_rate=0.5, momentum=0.5
    ).diffusion()
    quietly(momentum, fpk.Grid(dict.fromkeys(momentum.variables, (-2.5, 2.5, 64))))


def test_assembly_is_deterministic() -> None:
    model = in_balance(x**2 + y**2, turned(50, 0.3 + x / 5))
    first, second = (quietly(model, square(48, 4.0), fpk.Selling()) for _ in range(2))
    np.testing.assert_array_equal(first.matrix.data, second.matrix.data)
