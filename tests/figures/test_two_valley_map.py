"""Phase diagram, freezing, limit and density of the two valleys, computed small."""

from __future__ import annotations

import numpy as np
import pytest

from figures import two_valley_density, two_valley_freezing, two_valley_limit, two_valley_map


def test_phase_diagram() -> None:
    """Short runs in a cell without diffusion limit and one with more noise."""
    small = two_valley_map.PARAMETERS | {
        "rates": [0.1],
        "sigmas": [0.01, 0.1],
        "runs": 1000,
        "steps": 300,
        "cells_per_width": [4, 8],
    }
    arrays = two_valley_map.compute(**small)
    difference = np.abs(arrays["operator"] - arrays["sgd"])
    assert np.all(difference[..., 0] < 4 * arrays["error"][..., 0] + 1e-3)
    assert np.all(difference[..., 1] < 4 * arrays["error"][..., 1] + 0.01 * arrays["sgd"][..., 1])
    rise = arrays["sgd"][..., 2] - 5
    assert np.all(difference[..., 2] < 4 * arrays["error"][..., 2] + 0.01 * rise)
    # Half the runs leave the sharp side in the first steps at this learning rate, not in the limit.
    assert arrays["operator"][0, 0, 0] > arrays["limit"][0, 0, 0] + 0.03
    assert two_valley_map.deviations(arrays, "limit")[0, 0, 0] < -4


def test_shares_approach_ito_as_the_root_of_the_learning_rate() -> None:
    small = two_valley_limit.PARAMETERS | {
        "places": [3.0],
        "fixed_rates": [0.01, 0.0025, 6.25e-4],
        "cells": [[0.1, 0.01]],
        "parts": [1],
        "steps": 100,
        "cells_per_width": [4, 8],
    }
    arrays = two_valley_limit.compute(**small)
    # By the one-step operator of an independent program.
    assert arrays["fixed"][0] == pytest.approx([0.7713195, 0.7786818, 0.7842272], abs=1e-6)
    ito, isothermal = arrays["readings"][0]
    assert (ito, isothermal) == pytest.approx((0.7915965, 0.7148989), abs=1e-6)
    slopes = np.diff(np.log(ito - arrays["fixed"][0])) / np.log(1 / 4)
    assert np.all((slopes > 0.3) & (slopes < 0.5))
    assert slopes[1] > slopes[0]


def test_freezing() -> None:
    small = two_valley_freezing.PARAMETERS | {
        "noises": [1e-3],
        "sampled": [0],
        "runs": 1000,
        "steps": 1500,
        "cells_per_width": [4, 8],
    }
    arrays = two_valley_freezing.compute(**small)
    mean, error = arrays["sampled"][0]
    assert np.all(np.abs(arrays["operator"][0] - mean) < 4 * error + 0.005)
    assert arrays["criterion"][0, 0] == pytest.approx(10.33, abs=0.01)
    assert arrays["closed"][0, 0] == pytest.approx(7.120, abs=1e-3)
    assert np.isnan(arrays["closed"][1, 0])
    assert arrays["master"][0, 0] > arrays["master"][1, 0] + 0.02


def test_density() -> None:
    small = two_valley_density.PARAMETERS | {"numbers": [2, 60], "runs": 2000}
    arrays = two_valley_density.compute(**small)
    share = (arrays["states"][..., 0] > 0).mean(axis=1)
    expected = [arrays[f"share_{k}"][0] for k in (0, 1)]
    assert np.all(np.abs(share - expected) < 4 * 0.5 / np.sqrt(2000))
    along = arrays["states"][1, :, 1]
    assert along.mean() == pytest.approx(arrays["moments_1"][0, 0], abs=5e-4)
    flat = arrays["states"][1, :, 0] > 0
    deviations = [along[flat].std(), along[~flat].std()]
    assert deviations == pytest.approx(arrays["moments_1"][2], rel=0.1)
