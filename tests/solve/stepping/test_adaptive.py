"""Steps as long as the error allows."""

from __future__ import annotations

import numpy as np
import pytest

from fokkerplanck.errors import NotConverged
from fokkerplanck.solve.stepping.adaptive import Budget


def test_first_step_uses_half_of_its_share() -> None:
    budget = Budget(whole=1e-3, start=0.0, end=8.0, scale=0.5)
    step = budget.first(2, slope=1e-2)
    assert 1e-2 * step**3 <= 0.5 * budget.allowed(0.0, step, 0.0)
    assert 1e-2 * (2 * step) ** 3 > 0.5 * budget.allowed(0.0, 2 * step, 0.0)


@pytest.mark.parametrize("slope", [np.inf, np.nan])
def test_no_first_step_is_short_enough_for_a_slope_without_end(slope: float) -> None:
    with pytest.raises(NotConverged, match="no first step is short enough"):
        Budget(whole=1e-3, start=0.0, end=8.0, scale=0.5).first(2, slope=slope)
