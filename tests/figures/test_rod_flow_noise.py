"""What the figures of SGD at the edge claim, on small versions of them."""

from __future__ import annotations

import numpy as np
import pytest

from figures import rod_flow_densities, rod_flow_onset, rod_flow_slips


def test_densities() -> None:
    products = [0.5, 1.9, 2.1]
    small = {"products": products, "runs": 1000, "steps": 600, "bins": 32, "cells": 800}
    arrays = rod_flow_densities.compute(**(rod_flow_densities.PARAMETERS | small))
    apart = np.array([arrays[f"distance_{k}"] for k in range(len(products))])
    sampled, ordinary, rod, floor = apart.T
    np.testing.assert_array_less(sampled, 1.5 * floor)
    np.testing.assert_allclose(ordinary, [0.1396, 1.1401, 1.6815], atol=2e-3)
    assert rod[0] > 2 * ordinary[0]
    np.testing.assert_array_less(rod[1:], 0.01)
    for k in range(len(products)):
        width = np.ptp(arrays[f"w_{k}"]) / (arrays[f"w_{k}"].size - 1)
        for name in ("exact", "ordinary", "rod"):
            assert arrays[f"{name}_{k}"].sum() * width == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("product", "worst"), [(2.05, 0.03), (2.1, 0.06)])
def test_slips(product: float, worst: float) -> None:
    """Mean times of the exact operator, and methods over it, for barriers of 1 to 8."""
    barriers = [1, 2, 3, 5, 8]
    small = rod_flow_slips.PARAMETERS | {"cells": 400}
    rates = np.array([rod_flow_slips.rates(product, b, small) for b in barriers])
    times = {2.05: [104.2, 345.8, 976.7, 7097, 1.377e5], 2.1: [50.54, 169.1, 478.5, 3477, 6.737e4]}
    np.testing.assert_allclose(1 / rates[:, 0], times[product], rtol=1e-3)
    first, second, kramers = (rates[:, 1:] / rates[:, :1]).T
    assert np.abs(first - 1).max() < worst
    assert np.abs(second - 1).max() < worst / 2
    assert np.abs(kramers[1:] - 1).max() < 0.1


def test_slips_counted() -> None:
    small = rod_flow_slips.PARAMETERS | {"runs": 100, "steps": 4000}
    rate, error = rod_flow_slips.counted(2.1, 2, small, 3)
    assert abs(rate - 1 / 169.1) < 3 * error
    assert error < 0.05 * rate


def test_onset() -> None:
    small = {
        "sigmas": [1e-6, 1e-2],
        "digits": [8, 50],
        "runs": 50,
        "steps": 1400,
        "flow_steps": 400,
    }
    arrays = rod_flow_onset.compute(**(rod_flow_onset.PARAMETERS | small))
    single, every = arrays["flows"].T
    assert np.isnan(single[0])
    np.testing.assert_allclose(single[1], 6.740, atol=5e-3)
    np.testing.assert_allclose(every, [7.090, 6.740], atol=5e-3)
    np.testing.assert_allclose(arrays["sgd"][:, 0], [7.120, 6.793], atol=0.03)
    np.testing.assert_allclose(arrays["formula"][[0, -1]], [7.134, 6.826], atol=2e-3)
    np.testing.assert_allclose(arrays["rounded"][0], [7.375, 8.328], atol=0.02)
    np.testing.assert_allclose(arrays["rounding"], arrays["rounded"][0], atol=0.03)
