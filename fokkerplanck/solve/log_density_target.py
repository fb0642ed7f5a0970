"""Regions as targets of passage times by time reversal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fokkerplanck.discretize.log_density_operator import LogDensityOperator
from fokkerplanck.solve.absorb import crossings, find_region
from fokkerplanck.solve.log_density_reversal import Target

__all__ = ["reversal_target"]


def reversal_target(
    operator: LogDensityOperator, regions: Mapping[str, Any], *, paying: str | None = None
) -> Target:
    """The cells of the regions, and where the faces' edges cross their boundaries.

    Parameters
    ----------
    regions : regions by the name that messages give them
    paying : the one where 1 is paid on arrival

    Raises
    ------
    InvalidRegion
    """
    grid, flux = operator.grid, operator.flux
    cells = np.zeros(grid.size, bool)
    values = np.zeros(grid.size)
    fractions = np.ones(flux.lower.size)
    for role, given in regions.items():
        region = find_region(given, grid, role)
        cells |= region.cells
        if role == paying:
            values[region.cells] = 1.0
        rising = region.cells[flux.upper]
        cut = np.flatnonzero(region.cells[flux.lower] != rising)
        outer = np.where(rising, flux.lower, flux.upper)[cut]
        inner = np.where(rising, flux.upper, flux.lower)[cut]
        fractions[cut] = np.minimum(fractions[cut], crossings(region, grid, outer, inner))
    return Target(cells, fractions, values)
