"""The Bernoulli function, exponentially fitted rates, and rates between these and central ones."""

from __future__ import annotations

import math

from numba import njit

__all__ = ["bernoulli", "blended_rates", "fitted_rates"]

# Below this |z| the series z/(e^z - 1) = 1 - z/2 + z^2/12 - z^4/720 is exact to rounding:
# the next term is z^6/30240.
SERIES = 1e-2
# e^-|z| below this is replaced by it: detailed balance between two cells more than 640 apart in
# potential is lost, but no edge loses a direction and the chain stays irreducible.
TINY = 1e-280
# Central rates turn negative at |z| = 2; a tenth of the fitted rate keeps the chain irreducible
# and the density in its tails within a factor 10 an edge.
LEAST = 0.1


@njit(cache=True)
def bernoulli(z: float) -> float:
    """``B(z) = z / (e^z - 1)``.

    Examples
    --------
    >>> bernoulli(0.0)
    1.0
    >>> round(bernoulli(-3.0) - bernoulli(3.0), 12)
    3.0
    """
    if abs(z) < SERIES:
        square = z * z
        return 1.0 - 0.5 * z + square / 12.0 * (1.0 - square / 60.0 * (1.0 - square / 42.0))
    if z > 700.0:
        return z * math.exp(-z)
    return z / math.expm1(z)


@njit(cache=True)
def fitted_rates(z: float) -> tuple[float, float]:
    """Rates up and down an edge of potential difference ``z``, ratio ``e^-z`` to the last digit.

    ``(B(z), B(-z))``, computed as ``B(-|z|)`` times 1 and ``e^-|z|``: the sum ``B(z) + z`` would
    lose the small rate altogether (Scharfetter and Gummel, IEEE Trans. Electron Devices 16, 1969).
    """
    large = bernoulli(-abs(z))
    small = max(large * math.exp(-abs(z)), TINY)
    if z > 0.0:
        return small, large
    return large, small


@njit(cache=True)
def blended_rates(z: float, share: float) -> tuple[float, float]:
    """Fitted rates, with this share of them replaced by the central ``1 - z/2, 1 + z/2``.

    The difference of the two rates is z either way.  Their mean is 1 in the central rates, ``1 +
    z^2/12`` in the fitted ones: the excess is what holds an equilibrium at its exact density, and
    a spurious diffusion where a current flows.
    """
    large = bernoulli(-abs(z))
    fitted = max(large * math.exp(-abs(z)), TINY)
    central = 1.0 - 0.5 * abs(z)
    small = max((1.0 - share) * fitted + share * central, LEAST * fitted)
    large = small + abs(z) if share > 0.0 else large
    if z > 0.0:
        return small, large
    return large, small
