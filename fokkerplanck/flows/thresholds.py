"""The sharpness above which a step of gradient descent is unstable."""

from __future__ import annotations

from typing import Any

from fokkerplanck.errors import InvalidModel

__all__ = ["critical_sharpness"]


def critical_sharpness(learning_rate: Any, momentum: Any = 0, nesterov: bool = False) -> Any:
    """Curvature at which a multiplier of the linearised step reaches -1.

    ``(2 + 2 beta)/eta`` for gradient descent and the heavy ball, ``(2 + 2 beta)/(eta (1 + 2
    beta))`` for Nesterov's accelerated gradient.  Every smaller positive curvature is stable
    (derivations/14_rod_flow.py).

    Parameters
    ----------
    learning_rate, momentum : number or expression
        ``eta > 0`` and ``0 <= beta < 1``.
    nesterov : bool

    Raises
    ------
    InvalidModel
        When a number is outside its range.

    Examples
    --------
    >>> critical_sharpness(0.1), critical_sharpness(0.1, momentum=0.9)
    (20.0, 38.0)
    >>> critical_sharpness(0.1, momentum=0.9, nesterov=True)
    13.571
    """
    if getattr(learning_rate, "is_number", True) and not learning_rate > 0:
        raise InvalidModel(f"the learning rate is a positive number, not {learning_rate!r}")
    require_momentum(momentum)
    lookahead = 1 + 2 * momentum if nesterov else 1
    return (2 + 2 * momentum) / (learning_rate * lookahead)


def require_momentum(momentum: Any) -> None:
    """Raise unless the momentum is a symbol or lies in [0, 1).

    Raises
    ------
    InvalidModel
    """
    if getattr(momentum, "is_number", True) and not 0 <= momentum < 1:
        raise InvalidModel(f"momentum must lie in [0, 1), not {momentum!r}")
