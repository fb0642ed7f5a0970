"""Noise that vanishes on a surface closes the faces there."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.errors import DisconnectedDomain, DisconnectedWarning

x = sp.Symbol("x", real=True)
y = sp.Symbol("y", real=True)


@pytest.mark.parametrize("noise", [sp.Abs(x) * (2 - sp.Abs(x)), x**2, sp.Abs(x), sp.sin(x) ** 2])
@pytest.mark.parametrize("cells", [20, 40, 320])
def test_a_zero_between_two_wells_is_a_wall(noise: sp.Expr, cells: int) -> None:
    diffusion = fpk.Diffusion((x,), [x - x**3], [[noise]])
    with pytest.warns(DisconnectedWarning):
        operator = fpk.assemble(diffusion, fpk.Grid(x=(-2, 2, cells)))
    with pytest.raises(DisconnectedDomain):
        fpk.escape_rate(operator, (-1,), x > 0.8)


def test_a_line_of_zeros_in_the_plane() -> None:
    noise = sp.Abs(x) * (2 - sp.Abs(x))
    diffusion = fpk.Diffusion((x, y), [x - x**3, -y], [[noise, 0], [0, 1]])
    grid = fpk.Grid(x=(-2, 2, 40), y=(-2, 2, 20))
    with pytest.warns(DisconnectedWarning):
        operator = fpk.assemble(diffusion, grid, fpk.Selling())
    count, labels = operator.components
    assert count == 2
    assert np.all(labels.reshape(grid.shape)[:20] == labels[0])


def test_noise_that_stays_positive_connects() -> None:
    diffusion = fpk.Diffusion((x,), [x - x**3], [[x**2 + sp.Rational(1, 1000)]])
    operator = fpk.assemble(diffusion, fpk.Grid(x=(-2, 2, 200)))
    assert operator.components[0] == 1
    assert fpk.escape_rate(operator, (-1,), x > 0.8).value > 0
