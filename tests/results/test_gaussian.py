"""Gaussians refuse what is no covariance, and cannot be written to."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import fokkerplanck as fpk
from fokkerplanck.errors import NotNormalizable


def test_density_is_the_marginal_of_the_axes_in_their_order() -> None:
    covariance = [[1.0, 0.3, 0.1], [0.3, 2.0, 0.0], [0.1, 0.0, 0.5]]
    gaussian = fpk.Gaussian(("a", "b", "c"), [1.0, 2.0, 3.0], covariance, "test")
    grid = fpk.Grid(c=(-2, 8, 160), a=(-5, 7, 160))
    density = gaussian.density(grid)
    np.testing.assert_allclose(density.mean(), [3.0, 1.0], atol=1e-6)
    np.testing.assert_allclose(density.covariance(), [[0.5, 0.1], [0.1, 1.0]], atol=2e-3)
    assert density.info["source"] == "test"


def test_arrays_are_closed_also_after_a_pickle() -> None:
    gaussian = fpk.Gaussian(("x",), [0.0], [[1.0]], "test")
    for value in (gaussian, pickle.loads(pickle.dumps(gaussian))):
        with pytest.raises(ValueError, match="read-only"):
            value.covariance[0, 0] = 2.0


@pytest.mark.parametrize(
    ("mean", "covariance", "message"),
    [([np.nan], [[1.0]], "not finite"), ([0.0], [[-1.0]], "negative eigenvalue")],
)
def test_what_is_refused(mean: Any, covariance: Any, message: str) -> None:
    with pytest.raises(NotNormalizable, match=message):
        fpk.Gaussian(("x",), mean, covariance, "test")
