"""Sampled paths: moments and histograms with standard errors across independent paths."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Axis, Grid
from fokkerplanck.discretize.info import Info
from fokkerplanck.errors import FokkerPlanckError, GridMismatch
from fokkerplanck.results.density import Density
from fokkerplanck.results.groups import group_means, shares, standard_error

__all__ = ["Ensemble"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Ensemble:
    """Independent paths at saved times.

    Attributes
    ----------
    times : (saved times,)
        In units of time; for optimizers ``learning_rate * steps``.
    values : (saved times, paths, d)
        Positions; the last entry is the end.
    variables : tuple of str
        Names of the coordinates.
    steps : (saved times,), or None
        Numbers of steps, for optimizers.
    diverged_at : (paths,)
        Time at which a path left to infinity, where it stands still from then on; infinite for
        the others.
    absorbed_at : (paths,)
        The same for paths that reached an absorbing wall: they stand still at the first place
        beyond it, or near it where they passed it between two steps.
    last_change : (paths,), or None
        Step after which a path first is on the side of the region on which it stays, 0 where it
        never changed; where a region was given.
    at_last_change : (paths, d), or None
        Position then, the start where it never changed.
    info : Info

    Notes
    -----
    Without `after`, a method uses the last saved time.  With ``after=t`` it pools all saved times
    later than ``t``, and takes the standard error across independent paths, whatever the
    correlation within a path.  With fewer than 8 paths each is cut along time into batches, 32 or
    more in all, whose means are taken as independent: right when a batch is longer than the
    correlation time.
    """

    times: Array
    values: Array
    variables: tuple[str, ...]
    steps: Integers | None = None
    diverged_at: Array | None = None
    absorbed_at: Array | None = None
    last_change: Integers | None = None
    at_last_change: Array | None = None
    info: Info = field(default_factory=Info)

    def __post_init__(self) -> None:
        values, times = np.asarray(self.values, np.float64), np.asarray(self.times, np.float64)
        expected = (times.size, values.shape[1] if values.ndim == 3 else 0, len(self.variables))
        if values.shape != expected:
            raise FokkerPlanckError(
                f"values of shape {values.shape} for {times.size} times and the variables "
                f"{self.variables}; the shape is (times, paths, variables)"
            )
        self._store("times", times)
        self._store("values", values)
        for name in ("diverged_at", "absorbed_at"):
            given = getattr(self, name)
            ends = np.full(values.shape[1], np.inf) if given is None else given
            self._store(name, np.asarray(ends, np.float64))
        for name in ("steps", "last_change"):
            if getattr(self, name) is not None:
                self._store(name, np.asarray(getattr(self, name), np.int64))
        if self.at_last_change is not None:
            self._store("at_last_change", np.asarray(self.at_last_change, np.float64))

    def _store(self, name: str, array: NDArray[np.generic]) -> None:
        view = array.view()  # The caller's array stays writable.
        view.flags.writeable = False
        object.__setattr__(self, name, view)

    @property
    def paths(self) -> int:
        """Number of paths."""
        return int(self.values.shape[1])

    @property
    def diverged(self) -> NDArray[np.bool_]:
        """Which paths left to infinity, shape (paths,)."""
        assert self.diverged_at is not None
        return np.isfinite(self.diverged_at)

    @property
    def absorbed(self) -> NDArray[np.bool_]:
        """Which paths reached an absorbing wall, shape (paths,)."""
        assert self.absorbed_at is not None
        return np.isfinite(self.absorbed_at)

    def survivors(self) -> Ensemble:
        """The paths that never left to infinity or into a wall: a sample conditioned on staying."""
        kept = ~(self.diverged | self.absorbed)
        return Ensemble(
            self.times,
            self.values[:, kept],
            self.variables,
            self.steps,
            last_change=None if self.last_change is None else self.last_change[kept],
            at_last_change=None if self.at_last_change is None else self.at_last_change[kept],
            info=self.info.extended(left_out=int((~kept).sum())),
        )

    def mean(self, after: float | None = None) -> Array:
        """Mean position, shape (d,).

        Raises
        ------
        FokkerPlanckError
            When a path has diverged or been absorbed by then, or no time is saved after `after`.
        """
        mean: Array = self._kept(after).mean(axis=(0, 1))
        return mean

    def mean_standard_error(self, after: float | None = None) -> Array:
        """Standard error of `mean`, shape (d,)."""
        return standard_error(self._kept(after), lambda part: part)

    def covariance(self, after: float | None = None) -> Array:
        """Covariance of the position, shape (d, d), without bias from the estimated mean.

        Raises
        ------
        FokkerPlanckError
            As for `mean`.
        """
        kept = self._kept(after)
        deviations = (kept - kept.mean(axis=(0, 1))).reshape(-1, kept.shape[2])
        means = group_means(kept)
        # The pooled covariance lacks that of the mean, which the groups tell.
        of_mean = np.cov(means, rowvar=False).reshape(2 * means.shape[1:]) / means.shape[0]
        result: Array = deviations.T @ deviations / deviations.shape[0] + of_mean
        return result

    def covariance_standard_error(self, after: float | None = None) -> Array:
        """Standard error of each entry of `covariance`, shape (d, d)."""
        kept = self._kept(after)
        mean = kept.mean(axis=(0, 1))
        size = kept.shape[2]

        def products(part: Array) -> Array:
            deviations = part - mean
            result: Array = np.einsum("tpi,tpj->tpij", deviations, deviations)
            return result.reshape(*part.shape[:2], size**2)

        return standard_error(kept, products).reshape(size, size)

    def histogram(self, grid: Grid, after: float | None = None) -> Density:
        """Share of the samples in every cell, per unit volume, with standard errors.

        Parameters
        ----------
        grid : Grid
            Its axes are some or all of the variables, in any order; the others are ignored, that
            is integrated out.  Along a periodic axis samples are wrapped into the grid.
        after : float, optional

        Returns
        -------
        Density
            Normalised by all samples, so that its mass is the share inside the grid; in `info`,
            ``samples`` counts all, ``outside`` those outside the grid and ``diverged`` those of
            paths that had left to infinity, ``absorbed`` into walls.  A cell without
            samples has the standard error that one sample would give it; `standard_error` is None
            for a single sample.

        Raises
        ------
        GridMismatch
            When an axis is no variable.
        FokkerPlanckError
            When no time is saved after `after`.
        """
        unknown = [name for name in grid.names if name not in self.variables]
        if unknown:
            raise GridMismatch(f"{unknown} are no variables; the ensemble has {self.variables}")
        times = self._times(after)
        cells = np.zeros((times.size, self.paths), np.int64)
        for axis in grid.axes:
            index = _cell(axis, self.values[times][..., self.variables.index(axis.name)])
            inside = (cells >= 0) & (index >= 0)
            cells = np.where(inside, cells * axis.cells + index, -1)
        gone = self._gone(times)
        outside = int(((cells < 0) & ~gone).sum())
        cells[gone] = -1
        share, error = shares(cells, grid.size)
        volumes = grid.volumes
        return Density(
            share.reshape(grid.shape) / volumes,
            grid,
            self.info.extended(
                samples=cells.size,
                outside=outside,
                diverged=int((gone & self.diverged).sum()),
                absorbed=int((gone & self.absorbed).sum()),
            ),
            None if error is None else error.reshape(grid.shape) / volumes,
        )

    def _times(self, after: float | None) -> Integers:
        if after is None:
            return np.array([self.times.size - 1])
        found = np.flatnonzero(self.times > after)
        if not found.size:
            raise FokkerPlanckError(
                f"no time is saved after {after:g}; the last is {self.times[-1]:g}"
            )
        return found

    def _gone(self, times: Integers) -> NDArray[np.bool_]:
        assert self.diverged_at is not None
        assert self.absorbed_at is not None
        late = self.times[times, np.newaxis]
        return (late > self.diverged_at) | (late >= self.absorbed_at)

    def _kept(self, after: float | None) -> Array:
        times = self._times(after)
        lost = int(self._gone(times).any(axis=0).sum())
        if lost:
            raise FokkerPlanckError(
                f"{lost} of {self.paths} paths "
                + (
                    "left to infinity: the moments do not exist"
                    if self.diverged.any()
                    else "were absorbed: they have no position any more"
                )
                + "; survivors() gives the ensemble without them"
            )
        return self.values[times]


def _cell(axis: Axis, positions: Array) -> Integers:
    """Number of the cell that holds each position, -1 outside; the last edge belongs to it."""
    edges = axis.edges
    if axis.periodic:
        positions = edges[0] + np.mod(positions - edges[0], edges[-1] - edges[0])
    index = np.searchsorted(edges, positions, side="right") - 1
    index[positions == edges[-1]] = axis.cells - 1
    index[(index >= axis.cells) | (index < 0)] = -1
    return index
