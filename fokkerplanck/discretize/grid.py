"""Cell-centred grids: uniform or smoothly mapped axes, each with its two walls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from fokkerplanck.discretize.coefficients import compile_expressions
from fokkerplanck.errors import GridMismatch, InvalidGrid

__all__ = ["Axis", "Boundary", "Grid", "Mapped"]

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
    >>> s = sp.Symbol("s")
    >>> grid = Grid(x=Mapped(sp.sinh(s), s, (-2, 2, 4)))
    >>> grid.edges[0].round(3)
    array([-3.627, -1.175,  0.   ,  1.175,  3.627])
    """

    expression: sp.Expr
    symbol: sp.Symbol
    limits: tuple[float, float, int]


@dataclass(frozen=True)
class Axis:
    """One axis: cell edges, centres, and the map from equal steps to cells.

    Attributes
    ----------
    edges : (cells + 1,), centers, widths, stretch : (cells,)
        ``stretch`` is ``dx/ds`` at the centres, 1 on a uniform axis.
    spacing : float
        Step in ``s`` (in ``x`` on a uniform axis).
    boundary : (lower, upper)
    """

    name: str
    edges: Array
    centers: Array
    stretch: Array
    spacing: float
    boundary: tuple[Boundary, Boundary]

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


@dataclass(frozen=True, init=False)
class Grid:
    """A rectangular grid in 1 to 4 dimensions, in C order.

    Parameters
    ----------
    axes : dict, optional
        ``{symbol or name: (lower, upper, cells) or Mapped}``, for names that are no identifiers.
    boundary : word, or dict of axis to word or (lower word, upper word)
        "reflecting" (default), "absorbing" or "periodic".
    **named : (lower, upper, cells) or Mapped
        Axes by name, in the order of the variables.

    Raises
    ------
    InvalidGrid
        When an axis is empty, reversed or not finite, or a boundary is unknown.

    Examples
    --------
    >>> grid = Grid(x=(-1, 1, 4), y=(0, 1, 2), boundary={"y": ("reflecting", "absorbing")})
    >>> grid.shape, grid.centers[0]
    ((4, 2), array([-0.75, -0.25,  0.25,  0.75]))
    """

    axes: tuple[Axis, ...]

    def __init__(
        self,
        axes: Mapping[Any, Any] | None = None,
        /,
        *,
        boundary: Any = "reflecting",
        **named: Any,
    ) -> None:
        given = {str(key): value for key, value in (axes or {}).items()} | named
        if not 1 <= len(given) <= 4:
            raise InvalidGrid(f"a grid has 1 to 4 axes, not {len(given)}")
        walls = _walls(boundary, list(given))
        built = tuple(_axis(name, limits, walls[name]) for name, limits in given.items())
        object.__setattr__(self, "axes", built)

    @classmethod
    def _of(cls, axes: tuple[Axis, ...]) -> Grid:
        grid = object.__new__(cls)
        object.__setattr__(grid, "axes", axes)
        return grid

    @property
    def names(self) -> tuple[str, ...]:
        """Axis names, in order."""
        return tuple(axis.name for axis in self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along each axis."""
        return tuple(axis.cells for axis in self.axes)

    @property
    def size(self) -> int:
        """Number of cells."""
        return int(np.prod(self.shape))

    @property
    def dimension(self) -> int:
        """Number of axes."""
        return len(self.axes)

    @property
    def centers(self) -> tuple[Array, ...]:
        """Cell centres of each axis."""
        return tuple(axis.centers for axis in self.axes)

    @property
    def edges(self) -> tuple[Array, ...]:
        """Cell edges of each axis."""
        return tuple(axis.edges for axis in self.axes)

    @cached_property
    def mesh(self) -> tuple[Array, ...]:
        """Cell centres as one array an axis that broadcast to `shape`."""
        return tuple(np.meshgrid(*self.centers, indexing="ij", sparse=True))

    @cached_property
    def volumes(self) -> Array:
        """Cell volumes, of the grid's shape."""
        product: Any = 1.0
        for width in np.meshgrid(*(a.widths for a in self.axes), indexing="ij", sparse=True):
            product = product * width
        return _frozen(np.asarray(product))

    @property
    def uniform(self) -> bool:
        """Whether no axis is mapped."""
        return all(bool(np.all(axis.stretch == 1.0)) for axis in self.axes)

    def axis(self, name: str) -> Axis:
        """The axis of that name.

        Raises
        ------
        GridMismatch
        """
        for axis in self.axes:
            if axis.name == str(name):
                return axis
        raise GridMismatch(f"no axis {name!s}; the grid has {self.names}")

    def only(self, *names: str) -> Grid:
        """The grid of some of the axes, in the order of `names`."""
        return Grid._of(tuple(self.axis(name) for name in names))

    def require(self, variables: tuple[sp.Symbol, ...]) -> None:
        """Check that the axes are these variables, in this order.

        Raises
        ------
        GridMismatch
        """
        wanted = tuple(v.name for v in variables)
        if self.names != wanted:
            raise GridMismatch(
                f"the grid's axes are {self.names}, the variables {wanted}; "
                "name the axes as the variables, in their order"
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Grid) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        return tuple((a.name, a.boundary, a.edges.tobytes()) for a in self.axes)

    def __repr__(self) -> str:
        parts = [
            f"{a.name}=({a.edges[0]:g}, {a.edges[-1]:g}, {a.cells})"
            + ("" if np.all(a.stretch == 1.0) else " mapped")
            for a in self.axes
        ]
        return f"Grid({', '.join(parts)})"


def _axis(name: str, limits: Any, boundary: tuple[Boundary, Boundary]) -> Axis:
    mapping = limits if isinstance(limits, Mapped) else None
    try:
        lower, upper, cells = mapping.limits if mapping else limits
        lower, upper, count = float(lower), float(upper), int(cells)
    except (TypeError, ValueError) as error:
        raise InvalidGrid(f"axis {name} is (lower, upper, cells), not {limits!r}") from error
    if not (np.isfinite(lower) and np.isfinite(upper) and upper > lower):
        raise InvalidGrid(f"axis {name} runs from {lower} to {upper}; upper must exceed lower")
    if count != cells or count < 2:
        raise InvalidGrid(f"axis {name} has {cells} cells; give a whole number, 2 or more")
    steps = np.linspace(lower, upper, 2 * count + 1)
    spacing = (upper - lower) / count
    if mapping is None:
        positions, stretch = steps, np.ones(count)
    else:
        derivative = sp.diff(mapping.expression, mapping.symbol)
        value = compile_expressions([mapping.expression, derivative], [mapping.symbol])(steps)
        positions, stretch = value[0], value[1, 1::2].copy()
        if not (
            np.isfinite(value).all() and (np.diff(positions) > 0).all() and (stretch > 0).all()
        ):
            raise InvalidGrid(f"the map of axis {name} does not increase from {lower} to {upper}")
    return Axis(
        name,
        _frozen(positions[::2].copy()),
        _frozen(positions[1::2].copy()),
        _frozen(stretch),
        spacing,
        boundary,
    )


def _walls(boundary: Any, names: list[str]) -> dict[str, tuple[Boundary, Boundary]]:
    given = boundary if isinstance(boundary, Mapping) else dict.fromkeys(names, boundary)
    by_name = {str(key): value for key, value in given.items()}
    unknown = set(by_name) - set(names)
    if unknown:
        raise InvalidGrid(f"boundary names {sorted(unknown)}; the axes are {names}")
    return {name: _pair(name, by_name.get(name, "reflecting")) for name in names}


def _pair(name: str, words: Any) -> tuple[Boundary, Boundary]:
    lower, upper = (words, words) if isinstance(words, str) else tuple(words)
    for word in (lower, upper):
        if word not in get_args(Boundary):
            raise InvalidGrid(
                f"boundary of {name} is {word!r}; use one of {', '.join(get_args(Boundary))}"
            )
    if (lower == "periodic") != (upper == "periodic"):
        raise InvalidGrid(f"axis {name} is periodic at one end only; both ends or none")
    return lower, upper


def _frozen(array: Array) -> Array:
    array.flags.writeable = False
    return array
