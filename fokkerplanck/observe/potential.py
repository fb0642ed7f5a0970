"""The effective potential of a density."""

from __future__ import annotations

import numpy as np

from fokkerplanck.errors import NotNormalizable
from fokkerplanck.results.density import Density
from fokkerplanck.results.field import Field

__all__ = ["effective_potential"]


def effective_potential(density: Density) -> Field:
    """``Phi = -log p``, shifted so that its minimum is 0; infinite where the density is zero.

    Solved densities carry their logarithm, so that ``Phi`` is right beyond 745 too, where ``p``
    itself has no double.

    Parameters
    ----------
    density : Density
        Nonnegative; a sampled one has cells without counts, where ``Phi`` is infinite.

    Raises
    ------
    NotNormalizable
        When the density is negative somewhere, or zero everywhere.

    Examples
    --------
    >>> import fokkerplanck as fpk
    >>> density = fpk.gaussian_density(fpk.Grid(x=(-2, 2, 4)), [0.0], [[1.0]])
    >>> fpk.effective_potential(density).values
    array([1., 0., 0., 1.])
    """
    values = density.values
    if values.min() < 0:
        negative = float(-np.minimum(density.masses, 0).sum())
        raise NotNormalizable(
            f"the density is negative in {int((values < 0).sum())} cells (mass {negative:.3g}), "
            "where -log p has no meaning; use a monotone scheme such as Selling()"
        )
    if values.max() == 0:
        raise NotNormalizable("the density is zero everywhere")
    with np.errstate(divide="ignore"):
        logarithm = np.log(values) if density.log_values is None else density.log_values
    potential = logarithm.max() - logarithm
    return Field(potential, density.grid, "effective potential", density.info)
