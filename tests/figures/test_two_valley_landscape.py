"""The two valleys' figure: what it draws, computed coarsely."""

from __future__ import annotations

import numpy as np
import pytest

from figures import two_valley_landscape as figure

COARSE = figure.PARAMETERS | {
    "path_steps": 400,
    "paths": 2,
    "noises": [1e-3, 1e-4],
    "places": 3,
    "cells_per_width": 5,
    "sampled_places": 2,
    "runs": 100,
    "steps": 8000,
}


def test_shares_at_fixed_y() -> None:
    arrays = figure.compute(**COARSE)
    # At one depth of the barrier the noise plays no part, except through the rounding to cells.
    np.testing.assert_allclose(arrays["solver_0"], arrays["solver_1"], atol=2e-3)
    ito, stratonovich, isothermal = arrays["solver_0"]
    assert np.all(ito > stratonovich)
    assert np.all(stratonovich > isothermal)
    # Shallow barriers: the odds of the formula are gamma^(3/2), Itô's are gamma.
    assert arrays["formula_0"][0] == pytest.approx(0.651, abs=1e-3)
    assert ito[0] == pytest.approx(0.605, abs=2e-3)
    share, error = arrays["sgd_0"][0]
    by_ito = float(figure.TwoValley(noise=1e-3).at(arrays["few_0"][0]).flat_probability("ito"))
    assert 0 < by_ito - share < 0.03 + 4 * error
    loss, effective, change = arrays["cut"]
    np.testing.assert_allclose(effective - loss, change, atol=1e-12)
    assert effective[arrays["line"] > 0].min() < effective[arrays["line"] < 0].min()
