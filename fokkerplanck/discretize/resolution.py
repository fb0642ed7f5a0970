"""Whether a grid resolves a problem: potential steps, stencil rotation, cell Péclet number."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.errors import UnresolvedWarning

__all__ = ["eigenvalue_ratio", "warn_of_layers", "warn_of_rotation", "warn_of_steps"]

Array = NDArray[np.float64]

# Where the density is a thousandth of its largest value or more.
MATTERS = float(np.log(1e3))
# Rise of the potential from cell to cell where it matters.  Measured on double wells with barriers
# of 2 to 8: relaxation rates are off by 0.6 to 1.5 % at 3, by 0.1 % at 1.
STEP = 3.0
# Measured error of relaxation rates of Selling stencils: 0.008 (anisotropy^0.9 turn)^2 with the
# turn of the eigenframe from cell to cell, within a factor 2 for anisotropy 10 to 1000: 2 % at 1.6.
# Isotropic noise has no frame: (anisotropy - 1) anisotropy^-0.1 is the same at 10 and more.
TURN = 1.6
# Increase of -D^-1 F from cell to cell across a face towards which the drift converges: the layer
# there is 1/sqrt of it cells thick.  Measured on rotated Ornstein-Uhlenbeck problems: at 1 the L1
# error of the density is 2 % at anisotropy up to 10; beyond 30 it is 2 % at 1/4.
LAYER, STIFF_LAYER, STIFF = 1.0, 0.25, 30.0
# Cells at which eigenframes are compared, picked at random from those that matter.
SAMPLE = 2048
SEED = 20230609


def eigenvalue_ratio(tensor: Array) -> Array:
    """Largest over smallest eigenvalue of tensors of shape (n, d, d); infinite where singular.

    Axes without any noise in the whole sample, as of positions in phase space, are left out.
    """
    noisy = [a for a in range(tensor.shape[-1]) if tensor[:, a, a].any()]
    if not noisy:
        return np.ones(len(tensor))
    values = np.linalg.eigvalsh(tensor[:, noisy][:, :, noisy])
    low, high = values[:, 0], values[:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        # Eigenvalues of singular matrices come out as rounding of either sign.
        ratio = np.where(low > 1e-14 * high, high / low, np.inf)
    return np.where(high > 0.0, ratio, 1.0)


def warn_of_steps(potential: Array, grid: Grid, stacklevel: int) -> float:
    """Largest rise of the potential between neighbours where the density matters; warn above 3.

    Warns
    -----
    UnresolvedWarning
    """
    worst, place = 0.0, ""
    for a, axis in enumerate(grid.axes):
        phi = np.moveaxis(potential, a, 0)
        rise = np.abs(np.diff(phi, axis=0))
        lower = np.minimum(phi[1:], phi[:-1])
        rise = np.where(lower < potential.min() + MATTERS, rise, 0.0)
        if rise.size and rise.max() > worst:
            worst = float(rise.max())
            at = list(np.unravel_index(int(np.argmax(rise)), rise.shape))
            cell = [*at[1 : a + 1], at[0], *at[a + 1 :]]
            place = f"along {axis.name} at {_place(grid, cell)}"
    if worst > STEP:
        warnings.warn(
            f"the potential rises by {worst:.3g} from cell to cell {place}: the density is exact "
            f"at the centres, but relaxation rates and passage times are off by some "
            f"{(worst / STEP) ** 2:.2g} %; take {worst / STEP:.2g} times as many cells there",
            UnresolvedWarning,
            stacklevel=stacklevel + 1,
        )
    return worst


def warn_of_rotation(
    tensor: Array, potential: Array, grid: Grid, stacklevel: int
) -> tuple[float, float]:
    """Largest ``anisotropy^0.9 turn`` of the tensor, and anisotropy, where the density matters.

    Parameters
    ----------
    tensor : (d, d, ...) at the centres

    Warns
    -----
    UnresolvedWarning
        Above 1.6.
    """
    rng = np.random.default_rng(SEED)
    matters = np.argwhere(potential < potential.min() + MATTERS)
    cells = matters[rng.permutation(len(matters))[:SAMPLE]]
    here = _at(tensor, cells, grid)
    ratio = eigenvalue_ratio(here)
    finite = np.isfinite(ratio)
    largest = float(ratio[finite].max(initial=1.0))
    worst, place = 0.0, ""
    for a, axis in enumerate(grid.axes):
        above = cells.copy()
        above[:, a] = (above[:, a] + 1) % axis.cells if axis.periodic else above[:, a] + 1
        inside = finite & (above[:, a] < axis.cells)
        above[:, a] = np.minimum(above[:, a], axis.cells - 1)
        with np.errstate(invalid="ignore"):
            strength = np.where(finite, (ratio - 1.0) * ratio**-0.1, 0.0)
        product = np.where(inside, strength * _turn(here, _at(tensor, above, grid)), 0.0)
        if product.size and product.max() > worst:
            worst = float(product.max())
            at = int(np.argmax(product))
            place = (
                f"anisotropy {ratio[at]:.3g}, turning from cell to cell along {axis.name} at "
                f"{_place(grid, cells[at])}"
            )
    if worst > TURN:
        warnings.warn(
            f"the stencil does not follow the noise ({place}): relaxation rates and passage times "
            f"are off by some {0.8 * worst**2:.2g} % (anisotropy^0.9 times turn is {worst:.3g}, "
            f"above {TURN}); use Corner(), or take {worst / TURN:.2g} times as many cells",
            UnresolvedWarning,
            stacklevel=stacklevel + 1,
        )
    return worst, largest


def warn_of_layers(slope: Array, tensor: Array, grid: Grid, stacklevel: int) -> float:
    """Largest cell Péclet number of a converging drift; warn where its layer is unresolved.

    Parameters
    ----------
    slope : (n, d)
        ``D^-1 F`` in index units.
    tensor : (d, d, ...) at the centres

    Warns
    -----
    UnresolvedWarning
    """
    found, worst = 0.0, 0.0
    message = ""
    for a, axis in enumerate(grid.axes):
        push = np.moveaxis(slope[:, a].reshape(grid.shape), a, 0)
        converging = np.where((push[:-1] > 0) & (push[1:] < 0), push[:-1] - push[1:], 0.0)
        found = max(found, float(converging.max(initial=0.0)))
        suspects = np.argwhere(converging > STIFF_LAYER)
        if not len(suspects):
            continue
        cells = np.insert(suspects[:, 1:], a, suspects[:, 0], axis=1)
        number = converging[tuple(suspects.T)]
        ratio = eigenvalue_ratio(_at(tensor, cells, grid))
        # In units of what is allowed there.
        excess = number / np.where(ratio > STIFF, STIFF_LAYER, LAYER)
        at = int(np.argmax(excess))
        if excess[at] > max(worst, 1.0):
            worst = float(excess[at])
            message = (
                f"the drift converges along {axis.name} at {_place(grid, cells[at])} on a layer "
                f"{number[at] ** -0.5:.2g} cells thick (cell Péclet number {number[at]:.3g}, "
                f"anisotropy {ratio[at]:.3g}): the density is smeared; take "
                f"{worst**0.5:.2g} times as many cells across it"
            )
            if ratio[at] > STIFF:
                message += ", or use LogDensity()"
    if message:
        warnings.warn(message, UnresolvedWarning, stacklevel=stacklevel + 1)
    return found


def _at(tensor: Array, cells: NDArray[np.int64], grid: Grid) -> Array:
    """Tensors at some cells, shape (m, d, d)."""
    full = np.broadcast_to(tensor, (*tensor.shape[:2], *grid.shape))
    return np.moveaxis(full[(slice(None), slice(None), *cells.T)], -1, 0)


def _turn(first: Array, second: Array) -> Array:
    """Angle between the directions of strongest noise of two stacks of tensors."""
    one, two = (np.linalg.eigh(t)[1][..., -1] for t in (first, second))
    cross = one - np.sum(one * two, axis=-1, keepdims=True) * two
    # Of the sine, which keeps small angles; directions have no sign.
    angle: Array = np.arcsin(np.minimum(np.linalg.norm(cross, axis=-1), 1.0))
    return angle


def _place(grid: Grid, cell: Any) -> str:
    values = ", ".join(f"{c[i]:.4g}" for c, i in zip(grid.centers, cell, strict=True))
    return f"({', '.join(grid.names)}) = ({values})"
