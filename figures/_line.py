"""A straight line through points with errors."""

from __future__ import annotations

import numpy as np


def line(places: np.ndarray, points: np.ndarray) -> tuple[float, float, float, float]:
    """Weighted straight line: slope, its standard error, intercept, chi-square per freedom."""
    values, errors = points.T
    design = np.stack([places, np.ones_like(places)], axis=1) / errors[:, np.newaxis]
    spread = np.linalg.inv(design.T @ design)
    slope, constant = spread @ design.T @ (values / errors)
    chi = np.sum(((values - slope * places - constant) / errors) ** 2) / (len(places) - 2)
    return float(slope), float(np.sqrt(spread[0, 0])), float(constant), float(chi)
