"""One step of a Markov chain in numbers: what the compiled loops take as one argument."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["EULER_MARUYAMA", "MINIBATCHES", "TAMED", "WEAK_SECOND_ORDER", "Recursion"]

EULER_MARUYAMA, WEAK_SECOND_ORDER, TAMED, MINIBATCHES = range(4)


class Recursion(NamedTuple):
    """Which step, and its numbers; a named tuple because numba knows those.

    Attributes
    ----------
    scheme : int
        One of the constants of this module.
    time_step : float
    drift_factor, noise_factor : float
        The drift counts the one, the tensor the other: ``h`` and ``2 h`` for a diffusion; 1 and 1
        for an optimizer, whose one step has that mean change and that covariance.
    clip : bool
        Whether the tensor is clipped to its positive part.
    constant : bool
        Whether the tensor is the same everywhere and always.
    scale : float
        Distance from the origin below which a tamed step counts as large in absolute terms.
    batch_size : int
    replacement : bool
    noisy : bool
        Whether an optimizer on minibatches injects noise of its own.
    """

    scheme: int
    time_step: float = 1.0
    drift_factor: float = 1.0
    noise_factor: float = 1.0
    clip: bool = False
    constant: bool = False
    scale: float = 1.0
    batch_size: int = 0
    replacement: bool = True
    noisy: bool = True
