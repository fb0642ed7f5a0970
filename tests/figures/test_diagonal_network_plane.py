"""The collapse onto balance as the figure shows it, on a small version of it."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from figures import diagonal_network_plane as figure

SMALL = {
    "z": [-3.5, 4.0, 90],
    "q": [0.0, 1.25, 30],
    "times": [0.0, 2.0, 5.0, 10.0, 50.0],
    "shown": [0.0, 2.0, 5.0, 10.0, 50.0],
    "paths": 1500,
    "until": 10.0,
}


def test_plane_from_the_weights() -> None:
    """(u, w) to (v, q) to (ln v, q) is the plane of the system, of rank one."""
    model, found = figure.network(0.05), figure.plane(0.05)
    expected = model.plane()
    for point in ((-1.2, 0.7), (0.4, -0.3)):
        there = dict(zip(found.variables, point, strict=True))
        for mine, theirs in ((found.drift, expected.drift), (found.tensor, expected.tensor)):
            difference = np.array(mine.subs(there) - theirs.subs(there), float)
            np.testing.assert_allclose(difference, 0, atol=1e-12)
    assert found.tensor.rank() == 1
    assert sp.simplify(found.tensor[1, 1]) == 0


def test_collapse() -> None:
    arrays = figure.compute(**(figure.PARAMETERS | SMALL))
    assert arrays["smallest"] >= 0
    assert arrays["densities"].min() >= 0
    # The weights themselves, within three standard errors of their mean.
    mean, error = arrays["sampled"]
    charge = arrays["charge"]
    assert (np.abs(mean - charge[: mean.size]) < 3 * error).all()
    assert (error[1:] < 0.01 * mean[1:]).all()
    # The bound, on the grid and beyond doubt on the paths.
    assert (charge[1:] < arrays["bound"][1:]).all()
    assert (mean[1:] + 3 * error[1:] < arrays["bound"][1 : mean.size]).all()
    # Far faster than the bound without being instantaneous: E G = 1.25 min G in the end.
    late = np.log(charge[3] / charge[4]) / 40
    model = figure.network(0.05)
    strength = 2 * model.moment(2) - 4 * model.mean() + 2.25
    assert late == pytest.approx(4 * 0.05 * strength, rel=0.02)
    # The marginal of v, in L1: far from the closed form at first, within 2 percent at last.
    assert arrays["distance"][0] > 1
    assert arrays["distance"][-1] < 0.02
    assert arrays["crossed"] <= 10
