"""Two smooth wells with a given ratio of sharpness."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from fokkerplanck.errors import InvalidModel
from fokkerplanck.systems.smooth_wells import SmoothWells

x, y = sp.symbols("x y", real=True)


@pytest.mark.parametrize("ratio", [1, 2, 4, 9])
def test_smooth_wells_have_the_ratio_in_every_direction(ratio: int) -> None:
    wells = SmoothWells(ratio, 1.5, variables=(x, y))
    hessians = [
        np.array(sp.hessian(wells.loss, (x, y)).subs(dict(zip((x, y), m, strict=True))), float)
        for m in wells.minima
    ]
    np.testing.assert_allclose(hessians[1], ratio * hessians[0], atol=1e-12)
    assert hessians[0][0, 0] == pytest.approx(float(wells.curvatures[0]))
    saddle = dict(zip((x, y), wells.saddle, strict=True))
    slope = [float(sp.diff(wells.loss, v).subs(saddle)) for v in (x, y)]
    np.testing.assert_allclose(slope, 0, atol=1e-9)
    assert np.linalg.eigvalsh(np.array(sp.hessian(wells.loss, (x, y)).subs(saddle), float))[0] < 0
    assert [float(wells.loss.subs(dict(zip((x, y), m, strict=True)))) for m in wells.minima] == [
        0,
        0,
    ]


def test_refused() -> None:
    with pytest.raises(InvalidModel, match="ratio is a number of at least 1"):
        SmoothWells(sp.Rational(1, 2))
    with pytest.raises(InvalidModel, match="in a plane"):
        SmoothWells(2, variables=sp.symbols("a b c"))
    with pytest.raises(InvalidModel, match="in the plane build SGD"):
        SmoothWells(2, variables=(x, y)).optimizer(0.1)
