"""Cell-centred grids: uniform or smoothly mapped axes, each with its two walls."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from fokkerplanck.discretize.axes import Axis, Boundary, Mapped, frozen, make_axis, walls_by_name
from fokkerplanck.errors import GridMismatch, InvalidGrid

__all__ = ["Axis", "Boundary", "Grid", "Mapped"]

Array = NDArray[np.float64]


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
        if axes is not None and not isinstance(axes, Mapping):
            raise InvalidGrid(f"axes are named: Grid(x=(0, 1, 10)) or Grid({{...}}), not {axes!r}")
        pairs = [(str(key), value) for key, value in (axes or {}).items()] + list(named.items())
        given = dict(pairs)
        if len(given) < len(pairs):
            raise InvalidGrid(f"two axes share a name: {[name for name, _ in pairs]}")
        if not 1 <= len(given) <= 4:
            raise InvalidGrid(f"a grid has 1 to 4 axes, not {len(given)}")
        walls = walls_by_name(boundary, list(given))
        built = tuple(make_axis(name, limits, walls[name]) for name, limits in given.items())
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
        return tuple(map(frozen, np.meshgrid(*self.centers, indexing="ij", sparse=True)))

    @cached_property
    def volumes(self) -> Array:
        """Cell volumes, of the grid's shape."""
        product: Any = 1.0
        for width in np.meshgrid(*(a.widths for a in self.axes), indexing="ij", sparse=True):
            product = product * width
        return frozen(np.asarray(product))

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

    def renamed(self, *names: str) -> Grid:
        """The same cells under other names.

        Raises
        ------
        GridMismatch
            When there is not one name for each axis, or two are the same.

        Examples
        --------
        >>> Grid(s=(-1, 1, 40)).renamed("x")
        Grid(x=(-1, 1, 40))
        """
        if len(set(names)) != self.dimension or len(names) != self.dimension:
            raise GridMismatch(f"{names} are not {self.dimension} different names of axes")
        grid = copy(self)
        axes = tuple(replace(a, name=str(n)) for a, n in zip(self.axes, names, strict=True))
        object.__setattr__(grid, "axes", axes)
        return grid

    def coarsened(self) -> Grid:
        """The same domain with half as many cells along every axis, rounded up.

        Raises
        ------
        InvalidGrid
            When an axis has fewer than four cells.

        Examples
        --------
        >>> Grid(x=(-1, 1, 40), y=(0, 1, 25)).coarsened()
        Grid(x=(-1, 1, 20), y=(0, 1, 13))
        """
        return Grid._of(tuple(axis.coarsened() for axis in self.axes))

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
        return tuple(
            (a.name, a.boundary, a.edges.tobytes(), a.centers.tobytes()) for a in self.axes
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return Grid._of, (self.axes,)

    def __repr__(self) -> str:
        parts = [
            f"{a.name}=({a.edges[0]:g}, {a.edges[-1]:g}, {a.cells})"
            + ("" if np.all(a.stretch == 1.0) else " mapped")
            for a in self.axes
        ]
        return f"Grid({', '.join(parts)})"
