"""Flows in time units of one step, sampled at whole steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

__all__ = ["ABSOLUTE", "RELATIVE", "integrate"]

Array = NDArray[np.float64]
# A state that changes by itself within this share of a step has left to infinity: time in double
# precision resolves little more.
BLOW_UP = 1e-10
Method = Literal["LSODA", "RK23", "RK45"]

# Error a step of the integrator, relative and, for a parameter that passes through zero, absolute.
# Accumulated over a thousand steps it stays below 1e-6 of what distinguishes the models.
RELATIVE, ABSOLUTE = 1e-9, 1e-12


def integrate(
    velocity: Callable[[float, Array], Array],
    start: Array,
    span: tuple[float, float],
    *,
    method: Method,
    relative: float = RELATIVE,
    absolute: Any = ABSOLUTE,
    events: Sequence[Any] = (),
) -> Any:
    """SciPy's solution, at the whole numbers of `span`; ends early where the flow blows up.

    Events are those given, and last that of leaving to infinity.
    """
    low, high = span
    last: dict[str, Array] = {}

    def remembered(time: float, state: Array) -> Array:
        """Asked twice at the end of every step, by the method and by the event."""
        if not ("state" in last and np.array_equal(last["state"], state)):
            last.update(state=np.array(state), velocity=velocity(time, state))
        return last["velocity"]

    def leaves(time: float, state: Array) -> float:
        change = float(np.abs(remembered(time, state)).max())
        return 1.0 + float(np.abs(state).max()) - BLOW_UP * change

    leaves.terminal = True  # type: ignore[attr-defined]
    times = np.arange(np.ceil(low), np.floor(high) + 1)
    with np.errstate(all="ignore"):
        return solve_ivp(
            remembered,
            span,
            start,
            method=method,
            t_eval=times[(times >= low) & (times <= high)],
            rtol=relative,
            atol=absolute,
            events=[*events, leaves],
        )
