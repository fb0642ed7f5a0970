"""What W1 asks of a method: a name, the package it needs, and a density at the cell centres."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

import numpy as np
from numpy.typing import NDArray

from benchmarks.w1_problem import Problem

__all__ = ["Method", "TimeLimit", "installed_version"]

Array = NDArray[np.float64]


class TimeLimit(Exception):
    """A method gave up at its time limit; the message says how far it came."""


@dataclass(frozen=True)
class Method:
    """One way to solve W1.

    Attributes
    ----------
    name : str
    package : str
        Its distribution on PyPI.
    solve : callable
        ``solve(problem, cells)``, timed: from the problem's formulas to the method's own solution.
    centres : callable
        ``centres(solution, cells)``, not timed: the solution at the cell centres.
    refuses : callable
        ``refuses(problem)``: why the method does not apply, or None.
    prepare : callable
        ``prepare(problem, cells)``, not timed: what the method is told for free.
    largest : int
        Most cells a side with which it is run.
    note : str
        How the package was used.
    """

    name: str
    package: str
    solve: Callable[[Problem, int], object]
    centres: Callable[[object, int], Array] = lambda solution, _: np.asarray(solution)
    refuses: Callable[[Problem], str | None] = lambda _: None
    prepare: Callable[[Problem, int], object] = lambda *_: None
    largest: int = 512
    note: str = ""

    @property
    def version(self) -> str | None:
        """Installed version of the package, None where it is not installed."""
        return installed_version(self.package)


def installed_version(package: str) -> str | None:
    """Version of a distribution, None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
