"""What the figure of rod flow claims, on a small version of it."""

from __future__ import annotations

import numpy as np

from figures import rod_flow

SMALL = {"products": [1.8, 2.5, 3.1], "quartic_steps": 200, "steps": 300, "rod_steps": 60}


def test_headlines() -> None:
    arrays = rod_flow.compute(**(rod_flow.PARAMETERS | SMALL))
    expected = [0, 0.2, (1 + 1 / 3.1) / 4]
    np.testing.assert_allclose(arrays["quartic_descent"], expected, atol=1e-6)
    np.testing.assert_allclose(arrays["quartic_rod"], expected, atol=1e-6)
    np.testing.assert_allclose(arrays["iterates"][:-1].shape, arrays["centers"].shape)
    # Beyond the edge, before the onset of descent: only the central flow and the floor turn.
    heights = {name: arrays[f"y_{name}"][-1] for name in rod_flow.FLOWS}
    assert heights["central"] < heights["floored"] < heights["descent"]
    assert heights["missed"] > arrays["edge"] + 0.2
    np.testing.assert_allclose(heights["missed"], heights["descent"], atol=1e-3)
