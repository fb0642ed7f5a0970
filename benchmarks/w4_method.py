"""What W4 asks of a method: paths of the problem, on one thread or two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

import numpy as np
from numpy.typing import NDArray

import fokkerplanck as fpk

__all__ = ["Method"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Method:
    """One way to take Euler–Maruyama steps.

    Attributes
    ----------
    name : str
    package : str
        Its distribution on PyPI.
    run : callable
        ``run(paths, steps, threads)``, timed: the states at the end, shape (paths, 2); of the
        ceiling, which only draws the random numbers, an empty array.
    paths, steps : int
        Numbers with which it is timed: enough for some tenths of a second.
    threads : tuple of int
        Numbers of threads that it can use.
    note : str
        How the package was used.
    """

    name: str
    package: str
    run: Callable[[int, int, int], Array]
    paths: int
    steps: int
    threads: tuple[int, ...] = (1,)
    note: str = ""

    @property
    def version(self) -> str | None:
        """Installed version of the package, None where it is not installed."""
        if self.package == "fokkerplanck":
            # Also from a working tree.
            return fpk.__version__
        try:
            return metadata.version(self.package)
        except metadata.PackageNotFoundError:
            return None
