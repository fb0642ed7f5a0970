"""Critical points of the drift: minima, saddles, maxima and spirals of the noiseless dynamics."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.coefficients import Coefficients, compile_expressions
from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.potential import potential_at_centers
from fokkerplanck.errors import DegenerateWarning, GridMismatch, InvalidModel, UnresolvedWarning
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.symbols import differentiate
from fokkerplanck.observe.zero_search import Zero, find_zeros
from fokkerplanck.observe.zeros import VectorFunction

__all__ = ["CriticalPoint", "critical_points"]

Array = NDArray[np.float64]

# Real parts and slopes below this share of the largest eigenvalue count as zero: a double zero is
# found to the root of rounding.
DEGENERATE = 1e-7


@dataclass(frozen=True, eq=False)
class CriticalPoint:
    """A zero of the drift.

    Attributes
    ----------
    position : (d,)
    kind : str
        "minimum" (a node that attracts), "saddle", "maximum" (a node that repels), "stable spiral",
        "unstable spiral" or "centre"; of degenerate points what the other directions say.
    index : int
        Number of unstable directions.
    eigenvalues : (d,)
        Of the drift's Jacobian, by falling real part; infinite across a kink.
    potential : float or None
        ``Phi`` above the lowest of all, where detailed balance holds and the tensor does not jump.
    degenerate : bool
        An eigenvalue, or its real part, is zero: the kind is not decided by first derivatives.
    extent : float
        Size of the line or region of critical points that this one stands for, 0 for a point.
    kink : bool
        The drift does not vanish but jumps across zero here.
    """

    position: Array
    kind: str
    index: int
    eigenvalues: NDArray[Any]
    potential: float | None
    degenerate: bool = False
    extent: float = 0.0
    kink: bool = False


def critical_points(diffusion: Diffusion, grid: Grid) -> tuple[CriticalPoint, ...]:
    """Zeros of the Itô drift ``A`` on the grid's domain, for SGD those of ``grad L``.

    Parameters
    ----------
    diffusion : Diffusion
        With a value for every parameter and no explicit time.
    grid : Grid
        Every cell in which the drift may vanish starts a search: zeros closer together than a cell
        may be missed.

    Returns
    -------
    tuple of CriticalPoint
        By index, then by potential or position.  Zeros to rounding; kinks to 1e-6 of a cell.

    Raises
    ------
    InvalidModel
        When the drift depends on time, or its tensor is clipped and it has no symbol.
    GridMismatch, UnboundSymbol

    Warns
    -----
    DegenerateWarning
        When critical points fill a line or a region, of which one comes back, or are degenerate.
    UnresolvedWarning
        When the drift is not finite at corners of some cells, which are not searched.

    Examples
    --------
    >>> import sympy as sp, fokkerplanck as fpk
    >>> x, y = sp.symbols("x y", real=True)
    >>> loss = (x**2 - 1) ** 2 + y**2 * (1 + x / 2)
    >>> model = fpk.Diffusion((x, y), [-loss.diff(x), -loss.diff(y)], sp.eye(2))
    >>> for point in fpk.critical_points(model, fpk.Grid(x=(-1.8, 1.8, 60), y=(-1, 1, 40))):
    ...     print(point.kind, point.position.round(3) + 0.0, round(point.potential, 6))
    minimum [-1. 0.] 0.0
    minimum [1. 0.] 0.0
    saddle [0. 0.] 1.0
    """
    if not isinstance(diffusion, Diffusion):
        hint = ".diffusion()" if hasattr(diffusion, "diffusion") else "a Diffusion"
        raise InvalidModel(f"critical points need a Diffusion: {hint}")
    if diffusion.time is not None:
        raise InvalidModel("the drift depends on time; replace the time by a number first")
    if not isinstance(grid, Grid):
        raise GridMismatch("critical points are searched on a Grid, not on a mesh")
    grid.require(diffusion.variables)
    drift, jacobian = _compiled(diffusion)
    zeros, skipped = find_zeros(grid, drift, jacobian)
    if skipped:
        warnings.warn(
            f"the drift is not finite at corners of {skipped} cells, which were not searched for "
            "critical points; move the domain away from the singularity",
            UnresolvedWarning,
            stacklevel=2,
        )
    found = [_classified(zero) for zero in zeros]
    found = _with_potential(found, diffusion, grid)
    _warn(found)
    # Wells that are equal by symmetry differ by rounding only.
    found.sort(key=lambda p: (p.index, round(p.potential or 0.0, 9), *p.position.round(9)))
    return tuple(found)


def _compiled(diffusion: Diffusion) -> tuple[VectorFunction, VectorFunction]:
    size, variables = diffusion.dimension, diffusion.variables
    given = list(diffusion.drift)
    slopes = [differentiate(entry, v) for entry in given for v in variables]
    drift, slope = compile_expressions(given, variables), compile_expressions(slopes, variables)
    return (
        lambda points: drift(*points),
        lambda points: slope(*points).reshape(size, size, *points.shape[1:]),
    )


def _classified(zero: Zero) -> CriticalPoint:
    values = np.linalg.eigvals(zero.slopes)
    values = values[np.lexsort([-values.imag, -values.real])]
    size = float(np.abs(values).max(initial=0.0))
    turning = bool((np.abs(values.imag) > DEGENERATE * size).any())
    flat = np.abs(values.real) <= DEGENERATE * size
    index = int(np.count_nonzero((values.real > 0.0) & ~flat))
    stable = int(np.count_nonzero((values.real < 0.0) & ~flat))
    if index and stable:
        kind = "saddle"
    elif turning and flat.all():
        kind = "centre"
    elif turning:
        kind = "unstable spiral" if index else "stable spiral"
    else:
        kind = "maximum" if index else "minimum"
    if zero.kink:
        values = np.where(np.abs(values) > zero.steep, np.sign(values.real) * np.inf, values)
    if not turning:
        values = values.real.copy()
    degenerate = zero.degenerate or bool(flat.any())
    values.flags.writeable = False
    zero.position.flags.writeable = False
    return CriticalPoint(
        zero.position, kind, index, values, None, degenerate, zero.extent, zero.kink
    )


def _with_potential(
    points: list[CriticalPoint], diffusion: Diffusion, grid: Grid
) -> list[CriticalPoint]:
    """Potentials: that of the nearest centre, and the integral of ``-D^-1 F`` from there."""
    if not points or diffusion.jumps or diffusion.negative == "clip":
        return points
    coefficients = Coefficients.compile(diffusion)
    centers = potential_at_centers(coefficients, grid)
    if centers is None:
        return points
    nodes, weights = np.polynomial.legendre.leggauss(8)
    spacing = [float(axis.spacing * axis.stretch.min()) for axis in grid.axes]
    values = []
    for point in points:
        near = tuple(
            int(np.abs(c - p).argmin()) for c, p in zip(grid.centers, point.position, strict=True)
        )
        start = np.array([c[k] for c, k in zip(grid.centers, near, strict=True)])
        step = point.position - start
        along = start[:, np.newaxis] + np.outer(step, 0.5 * (nodes + 1.0))
        force = coefficients.force(list(along), spacing)
        tensor = np.moveaxis(coefficients.tensor(list(along)), -1, 0)
        tensor = np.broadcast_to(tensor, (nodes.size, *tensor.shape[1:]))
        slope = -np.linalg.solve(tensor, force.T[:, :, np.newaxis])[:, :, 0]
        values.append(float(centers[near] + 0.5 * weights @ (slope @ step)))
    lowest = min(values)
    return [replace(p, potential=v - lowest) for p, v in zip(points, values, strict=True)]


def _warn(points: list[CriticalPoint]) -> None:
    flat = [p for p in points if p.degenerate]
    if not flat:
        return
    lines = [p for p in flat if p.extent > 0.0]
    places = ", ".join(str(tuple(p.position.round(4).tolist())) for p in flat[:3])
    warnings.warn(
        f"{len(flat)} critical points are degenerate, at {places}"
        + (
            f"; {len(lines)} of them stand for lines or regions, of size up to "
            f"{max(p.extent for p in lines):.4g}"
            if lines
            else ""
        )
        + ": first derivatives do not decide what they are",
        DegenerateWarning,
        stacklevel=3,
    )
