"""Sampled moments against exact ones, in standard errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.results.ensemble import Ensemble

Array = NDArray[np.float64]

# Where a moment is exact, as that of a coordinate without noise, only rounding is left.
ROUNDING = 1e-12


def assert_moments(ensemble: Ensemble, mean: Array, covariance: Array, sigmas: float = 4) -> None:
    """Mean and covariance at the end lie within `sigmas` standard errors of the exact ones."""
    for found, error, exact in [
        (ensemble.mean(), ensemble.mean_standard_error(), mean),
        (ensemble.covariance(), ensemble.covariance_standard_error(), covariance),
    ]:
        np.testing.assert_array_less(np.abs(found - exact), sigmas * error + ROUNDING)
