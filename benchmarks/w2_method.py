"""What W2 asks of a method: a name, the package it needs, and a mean time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.w1_method import installed_version

__all__ = ["Method"]


@dataclass(frozen=True)
class Method:
    """One way to solve W2.

    Attributes
    ----------
    name : str
    package : str
        Its distribution on PyPI.
    solve : callable
        ``solve(barrier, cells)`` -> mean time.
    largest : int
        Most cells with which it is run.
    note : str
        How the package was used.
    """

    name: str
    package: str
    solve: Callable[[float, int], float]
    largest: int = 2048
    note: str = ""

    @property
    def version(self) -> str | None:
        """Installed version of the package, None where it is not installed."""
        return installed_version(self.package)
