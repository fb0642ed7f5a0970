"""Zeros of a drift, and points where it jumps across zero, each found once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.observe.zeros import VectorFunction, candidates, cluster, newton, subdivide

__all__ = ["Zero", "find_zeros"]

Array = NDArray[np.float64]

# Last Newton step in cells, and drift over that at the corners of the first cell, of a zero.
SETTLED, VANISHING = 1e-6, 1e-9
# Singular values of the Jacobian in units of cells below this share of the largest count as zero:
# a double zero is found to the root of rounding.
DEGENERATE = 1e-7
# Zeros closer than the first, in cells, are one; degenerate ones than the second.
SAME, LINKED = 1e-5, 3.0
# Where in its cell a search begins; drift, over that at the corners, within SETTLED of a zero that
# is no kink.
OFFSET, CONTINUOUS = 0.47, 1e-4
# A drift above this multiple of that at the corners of the cell is a pole.
POLE = 1e3
# Half the step, in cells, of differences across a kink; slopes above a tenth of its inverse jump.
ACROSS = 1e-3
# Points at which a kink is tested for a combination of the drifts around that vanishes.
SAMPLES = 16


@dataclass(frozen=True, eq=False)
class Zero:
    """A zero of a vector field, or a kink across zero.

    Attributes
    ----------
    position : (d,)
    slopes : (d, d)
        Jacobian; differences over a small step across a kink.
    degenerate : bool
    extent : float
        Size of the line or region that it stands for.
    kink : bool
    steep : float
        Slope above which a difference across a kink is a jump.
    """

    position: Array
    slopes: Array
    degenerate: bool
    extent: float
    kink: bool = False
    steep: float = np.inf


def find_zeros(
    grid: Grid, drift: VectorFunction, jacobian: VectorFunction
) -> tuple[list[Zero], int]:
    """Zeros in the domain of a grid, then kinks where a change of sign is left over.

    Returns
    -------
    The zeros, and the number of cells that were skipped because the drift is not finite there.
    """
    return _Search(grid, drift, jacobian).found()


class _Search:
    def __init__(self, grid: Grid, drift: VectorFunction, jacobian: VectorFunction) -> None:
        self.grid, self.drift, self.jacobian = grid, drift, jacobian
        self.low = np.array([edges[0] for edges in grid.edges])
        self.high = np.array([edges[-1] for edges in grid.edges])
        periodic = np.array([axis.periodic for axis in grid.axes])
        self.period = np.where(periodic, self.high - self.low, np.inf)

    def found(self) -> tuple[list[Zero], int]:
        """Zeros and kinks, and the number of cells that were skipped."""
        cells = candidates(self.drift, self.grid)
        width = cells.high - cells.low
        # Off the centres, where kinks between symmetric wells tend to lie.
        start = cells.low + OFFSET * width
        zeros, sizes = self._zeros(start, width, cells.scale)
        flat = self._degenerate(zeros, sizes)
        if flat.any():
            filled = self._zeros(start, width, cells.scale, damped=True)
            zeros, sizes = np.hstack([zeros, filled[0]]), np.hstack([sizes, filled[1]])
            flat = self._degenerate(zeros, sizes)
        left = cells.crossed & ~self._near(start, (0.5 + SETTLED) * width, zeros[:, ~flat])
        # Zeros that fill a line: Newton's method went to some point of it, beside the cell perhaps.
        left &= ~self._near(start, LINKED * width, zeros[:, flat])
        rest, cell = subdivide(self.drift, cells.low[:, left], cells.high[:, left])
        width, scale = width[:, left][:, cell], cells.scale[left][cell]
        size = self._size(rest, width)
        smooth = size <= CONTINUOUS * scale
        jump = ~smooth & (size < POLE * scale)
        more, more_sizes = self._zeros(rest[:, smooth], width[:, smooth], scale[smooth])
        zeros, sizes = np.hstack([zeros, more]), np.hstack([sizes, more_sizes])
        found = self._merged(zeros, sizes)
        found += self._kinks(rest[:, jump], width[:, jump], scale[jump])
        return found, cells.skipped

    def _zeros(
        self, start: Array, width: Array, scale: Array, *, damped: bool = False
    ) -> tuple[Array, Array]:
        """Zeros inside the domain and the sizes of the cells in which the search began."""
        points, last = newton(self.drift, self.jacobian, start, width, damped=damped)
        inside = last < SETTLED
        points, width, scale = points[:, inside], width[:, inside], scale[inside]
        periodic = np.isfinite(self.period)[:, np.newaxis]
        span = (self.high - self.low)[:, np.newaxis]
        low, high = self.low[:, np.newaxis], self.high[:, np.newaxis]
        points = np.where(periodic, low + np.mod(points - low, span), points)
        # On the wall to rounding counts as inside.
        margin = 1e-12 * span
        kept = ((points >= low - margin) & (points <= high + margin)).all(axis=0)
        kept &= np.abs(self.drift(points)).max(axis=0, initial=0.0) <= VANISHING * scale
        # On a kink itself the drift may be written as zero.
        kept &= self._size(points, width) <= CONTINUOUS * scale
        points, width = np.clip(points, low, high)[:, kept], width[:, kept]
        # Many searches end in one point: one of them is enough.
        _, first = np.unique((points / width / SAME).round(), axis=1, return_index=True)
        return points[:, first], width[:, first]

    def _size(self, points: Array, width: Array) -> Array:
        """Largest component of the drift just beside each point."""
        generator = np.random.default_rng(0)
        size = np.zeros(points.shape[1])
        for _ in range(SAMPLES):
            offset = generator.uniform(-SETTLED, SETTLED, points.shape) * width
            size = np.fmax(size, np.abs(self.drift(points + offset)).max(axis=0, initial=0.0))
        return size

    def _degenerate(self, zeros: Array, sizes: Array) -> NDArray[np.bool_]:
        slopes = np.moveaxis(self.jacobian(zeros), 2, 0) * sizes.T[:, np.newaxis, :]
        singular = np.linalg.svd(slopes, compute_uv=False)
        result: NDArray[np.bool_] = singular[:, -1] <= DEGENERATE * singular[:, 0]
        return result

    def _near(self, centers: Array, reach: Array, zeros: Array) -> NDArray[np.bool_]:
        """Whether there is a zero within reach of each centre."""
        result = np.zeros(centers.shape[1], bool)
        for zero in zeros.T[:, :, np.newaxis]:
            distance = np.abs(centers - zero)
            distance = np.minimum(distance, np.abs(distance - self.period[:, np.newaxis]))
            result |= (distance <= reach).all(axis=0)
        return result

    def _merged(self, zeros: Array, sizes: Array) -> list[Zero]:
        """One point for all that are the same, one for every line or region."""
        if not zeros.shape[1]:
            return []
        slopes = np.moveaxis(self.jacobian(zeros), 2, 0)
        degenerate = self._degenerate(zeros, sizes)
        found = []
        for flat in (False, True):
            chosen = degenerate == flat
            points, width, matrices = zeros[:, chosen], sizes[:, chosen], slopes[chosen]
            if not points.shape[1]:
                continue
            labels = cluster(points, (LINKED if flat else SAME) * width.max(axis=1), self.period)
            for label in range(labels.max() + 1):
                members = np.flatnonzero(labels == label)
                group = points[:, members]
                middle = group.mean(axis=1, keepdims=True)
                one = members[np.abs((group - middle) / width[:, members]).sum(axis=0).argmin()]
                # Points that a multiple zero scatters by rounding are one.
                extent = float(np.linalg.norm(np.ptp(group, axis=1)))
                resolved = (np.ptp(group, axis=1) > 0.1 * width[:, one]).any()
                found.append(
                    Zero(points[:, one].copy(), matrices[one], flat, extent if resolved else 0.0)
                )
        return found

    def _kinks(self, points: Array, width: Array, scale: Array) -> list[Zero]:
        """Points across which the drift jumps, with a combination of its values that vanishes."""
        if not points.shape[1]:
            return []
        residuals = np.array(
            [
                self._imbalance(points[:, [k]], width[:, [k]], scale[k])
                for k in range(points.shape[1])
            ]
        )
        # Around a zero along the kink the drift is off by the slope times the distance.
        kept = residuals < CONTINUOUS
        if not kept.any():
            return []
        points, width, scale = points[:, kept], width[:, kept], scale[kept]
        residuals = residuals[kept]
        labels = cluster(points, LINKED * width.max(axis=1), self.period)
        found = []
        for label in range(labels.max() + 1):
            members = np.flatnonzero(labels == label)
            one = members[residuals[members].argmin()]
            point, step = points[:, one], ACROSS * width[:, one]
            slopes = np.column_stack(
                [
                    (
                        self.drift((point + e)[:, np.newaxis])
                        - self.drift((point - e)[:, np.newaxis])
                    )
                    / (2.0 * e.max())
                    for e in np.diag(step)
                ]
            )
            extent = float(np.linalg.norm(np.ptp(points[:, members], axis=1)))
            resolved = (np.ptp(points[:, members], axis=1) > 0.1 * width[:, one]).any()
            steep = 0.1 / ACROSS * scale[one] / width[:, one].max()
            found.append(
                Zero(point.copy(), slopes, bool(resolved), extent if resolved else 0.0, True, steep)
            )
        return found

    def _imbalance(self, point: Array, width: Array, scale: float) -> float:
        """How far zero is from the means of the drifts just around (Filippov's condition)."""
        generator = np.random.default_rng(0)
        around = point + SETTLED * width * generator.uniform(-1, 1, (point.size, SAMPLES))
        values = self.drift(around) / scale
        _, residual = nnls(np.vstack([values, np.ones(SAMPLES)]), np.append(0.0 * point, 1.0))
        return float(residual)
