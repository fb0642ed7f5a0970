"""Axes of a grid: equal or smoothly mapped cells between two walls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from fokkerplanck.discretize.coefficients import compile_expressions
from fokkerplanck.errors import InvalidGrid

__all__ = ["Axis", "Boundary", "Mapped", "frozen", "make_axis", "walls_by_name"]

Array = NDArray[np.float64]
Boundary = Literal["reflecting", "absorbing", "periodic"]


@dataclass(frozen=True)
class Mapped:
    """An axis ``x = X(s)`` with `cells` equal steps in ``s``, for cells that vary smoothly.

    Parameters
    ----------
    expression : SymPy expression of `symbol`
        Smooth and increasing on the range.
    symbol : Symbol
    limits : (lower, upper, cells) in ``s``

    Examples
    --------
    >>> import sympy as sp
    >>> from fokkerplanck.discretize.grid import Grid
    >>> s = sp.Symbol("s")
    >>> grid = Grid(x=Mapped(sp.sinh(s), s, (-2, 2, 4)))
    >>> grid.edges[0].round(3)
    array([-3.627, -1.175,  0.   ,  1.175,  3.627])
    """

    expression: sp.Expr
    symbol: sp.Symbol
    limits: tuple[float, float, int]


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis: cell edges, centres, and the map from equal steps to cells.

    Attributes
    ----------
    edges : (cells + 1,), centers, widths, stretch : (cells,)
        ``stretch`` is ``dx/ds`` at the centres, 1 on a uniform axis.
    spacing : float
        Step in ``s`` (in ``x`` on a uniform axis).
    boundary : (lower, upper)
    mapping : Mapped or None
        None on a uniform axis.
    """

    name: str
    edges: Array
    centers: Array
    stretch: Array
    spacing: float
    boundary: tuple[Boundary, Boundary]
    mapping: Mapped | None = None

    def __post_init__(self) -> None:
        for name in ("edges", "centers", "stretch"):
            object.__setattr__(self, name, frozen(np.array(getattr(self, name))))

    def __reduce__(self) -> tuple[Any, ...]:
        # Arrays come back writable from a pickle; the constructor closes them again.
        return Axis, tuple(getattr(self, f.name) for f in fields(self))

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.centers.size

    @property
    def widths(self) -> Array:
        """Cell widths."""
        return np.diff(self.edges)

    @property
    def periodic(self) -> bool:
        """Whether the two ends are one."""
        return self.boundary[0] == "periodic"

    def coarsened(self) -> Axis:
        """The axis with half as many cells, rounded up.

        Raises
        ------
        InvalidGrid
            When there are fewer than four cells.
        """
        if self.cells < 4:
            raise InvalidGrid(f"axis {self.name} has {self.cells} cells; four can be halved")
        cells = (self.cells + 1) // 2
        if self.mapping is None:
            limits: Any = (float(self.edges[0]), float(self.edges[-1]), cells)
        else:
            limits = replace(self.mapping, limits=(*self.mapping.limits[:2], cells))
        return make_axis(self.name, limits, self.boundary)


def make_axis(name: str, limits: Any, boundary: tuple[Boundary, Boundary]) -> Axis:
    """The axis of ``(lower, upper, cells)`` or of a `Mapped`.

    Raises
    ------
    InvalidGrid
    """
    mapping = limits if isinstance(limits, Mapped) else None
    try:
        lower, upper, cells = mapping.limits if mapping else limits
        lower, upper, count = float(lower), float(upper), int(cells)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidGrid(f"axis {name} is (lower, upper, cells), not {limits!r}") from error
    if not (np.isfinite(upper - lower) and upper > lower):
        raise InvalidGrid(
            f"axis {name} runs from {lower} to {upper}; upper must exceed lower by a finite number"
        )
    if count != cells or count < 2:
        raise InvalidGrid(f"axis {name} has {cells} cells; give a whole number, 2 or more")
    steps = np.linspace(lower, upper, 2 * count + 1)
    spacing = (upper - lower) / count
    if mapping is None:
        positions, stretch = steps, np.ones(count)
    else:
        derivative = sp.diff(mapping.expression, mapping.symbol)
        value = compile_expressions([mapping.expression, derivative], [mapping.symbol])(steps)
        positions, stretch = value[0], value[1, 1::2]
        if not (
            np.isfinite(value).all() and (np.diff(positions) > 0).all() and (stretch > 0).all()
        ):
            raise InvalidGrid(f"the map of axis {name} does not increase from {lower} to {upper}")
    if not (np.diff(positions) > 0).all():
        raise InvalidGrid(
            f"{count} cells from {lower} to {upper} on axis {name} have no width in double "
            "precision; shift or scale the coordinate"
        )
    return Axis(name, positions[::2], positions[1::2], stretch, spacing, boundary, mapping)


def walls_by_name(boundary: Any, names: list[str]) -> dict[str, tuple[Boundary, Boundary]]:
    """Words of the lower and upper wall of every axis; reflecting where none is given.

    Raises
    ------
    InvalidGrid
    """
    given = boundary if isinstance(boundary, Mapping) else dict.fromkeys(names, boundary)
    by_name = {str(key): value for key, value in given.items()}
    unknown = set(by_name) - set(names)
    if unknown:
        raise InvalidGrid(f"boundary names {sorted(unknown)}; the axes are {names}")
    return {name: _pair(name, by_name.get(name, "reflecting")) for name in names}


def _pair(name: str, words: Any) -> tuple[Boundary, Boundary]:
    pair: Any = (
        (words, words) if isinstance(words, str) or not isinstance(words, Sequence) else words
    )
    if len(pair) != 2:
        raise InvalidGrid(f"boundary of {name} is one word or (lower, upper), not {words!r}")
    for word in pair:
        if word not in get_args(Boundary):
            raise InvalidGrid(
                f"boundary of {name} is {word!r}; use one of {', '.join(get_args(Boundary))}"
            )
    lower: Boundary = pair[0]
    upper: Boundary = pair[1]
    if (lower == "periodic") != (upper == "periodic"):
        raise InvalidGrid(f"axis {name} is periodic at one end only; both ends or none")
    return lower, upper


def frozen(array: Array) -> Array:
    """The array itself, closed to writing."""
    array.flags.writeable = False
    return array
