"""Escape of SGD from a minimum by density diffusion: Xie, Sato and Sugiyama's two formulas."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from fokkerplanck.discretize.coefficients import compile_expressions
from fokkerplanck.discretize.info import Info
from fokkerplanck.errors import DisconnectedWarning, InvalidModel, NotPositiveSemidefinite
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.optimizers import SGD, SGLD
from fokkerplanck.results.rate import Rate
from fokkerplanck.theory.critical import (
    Coefficients,
    CriticalPoint,
    as_points,
    find_critical_point,
)

__all__ = ["density_diffusion_rate"]

Array = NDArray[np.float64]

# Of the line from minimum to saddle; where D jumps one of them is off, so the integral by 1e-3.
INTERVALS = 512
# Of the largest noise on the line: less than this is none.
VANISHES = 1e-8


def density_diffusion_rate(
    model: Any,
    *,
    minimum: Any,
    saddle: Any,
    path_fraction: float | None = None,
    convention: Literal["isothermal", "ito"] = "isothermal",
) -> Rate:
    r"""Rate of escape over a saddle where the noise follows the curvature.

    With ``H_a``, ``H_b`` the Hessians at minimum and saddle, ``e`` the escape direction (unstable
    eigenvector of ``H_b``), ``H_ae = e.H_a e``, ``dL`` the barrier of the loss, in time ``t = eta *
    steps``, the mean escape time is

        white noise, ``D`` constant:  ``(2 pi/|H_be|) sqrt(-det H_b/det H_a) exp(dL/D)``
        SGD, ``D = (eta/2B) |H|``:    ``(2 pi/|H_be|) exp[(2 B dL/eta) (s/H_ae + (1-s)/|H_be|)]``

    Both are ``(2 pi/|H_be|) sqrt(|det H_b| det D_a/(det H_a det D_b)) exp[dL (s/D_ae +
    (1-s)/D_be)]`` with the model's own tensor, negative eigenvalues at the saddle by their size.

    Parameters
    ----------
    model : SGD or SGLD
        `noise.Isotropic` is white noise, `noise.Hessian` that of SGD.
    minimum, saddle : tuple of d numbers
        Near the critical points of the loss, to which Newton's method goes.
    path_fraction : float in (0, 1), optional
        ``s``, the share of dL climbed with the noise of the minimum.  ``|H_be|/(H_ae + |H_be|)`` by
        default, exact where two parabolas meet smoothly and D jumps where they do.
    convention : {"isothermal", "ito"}
        The formula is isothermal.  Discrete SGD is Itô: where D jumps between two constants the
        time is longer by ``D_be/D_ae``, which is ``|H_be|/H_ae``.

    Returns
    -------
    Rate
        `info`: ``barrier`` (the exponent), ``path_fraction``, ``tensor_ratio`` = D_be/D_ae,
        ``path_barrier`` = ``int dL/D_e`` on the straight line with the noise as it is there, by
        which the two-level assumption can be judged; infinite, with ``noise_vanishes``, where
        ``e.D e`` reaches zero on the way.  Then the literal diffusion never escapes, whatever
        the formula says.

    Raises
    ------
    InvalidModel
        When a point is no minimum or saddle, the saddle is not the higher one, or s is not in
        (0, 1).
    NotPositiveSemidefinite
        When there is no noise along the escape direction at one of the points.

    Warns
    -----
    DisconnectedWarning
        When the noise vanishes on the way.

    Notes
    -----
    Z. Xie, I. Sato and M. Sugiyama, ICLR 2021.  s and the factor of the convention are derived in
    derivations/09_density_diffusion.py.  The noise must be weak on either side of the junction,
    both ``dL s/D_ae`` and ``dL (1-s)/D_be`` >> 1, not their sum alone: the exact times of
    `systems.density_diffusion.ThreeParabolas` tell.

    Examples
    --------
    >>> import sympy as sp, fokkerplanck as fpk
    >>> x = sp.Symbol("x", real=True)
    >>> sgd = fpk.SGD(x**2 / 2 - x**3 / 3, x, fpk.noise.Hessian(1), learning_rate=0.02)
    >>> rate = density_diffusion_rate(sgd, minimum=0, saddle=1)
    >>> rate.info["barrier"], rate.info["path_fraction"], rate.info["noise_vanishes"]
    (16.67, 0.5, True)
    >>> 1 / rate.value
    108747988.7
    """
    if not isinstance(model, (SGD, SGLD)):
        raise InvalidModel(f"density diffusion is that of SGD or SGLD, not {type(model).__name__}")
    if convention not in ("isothermal", "ito"):
        raise InvalidModel(f'convention is "isothermal" or "ito", not {convention!r}')
    variables, d = model.variables, len(model.variables)
    descent = Coefficients(Diffusion(variables, [-g for g in model.gradient], sp.eye(d)))
    (low,) = as_points(minimum, d, "minimum")
    (high,) = as_points(saddle, d, "saddle")
    bottom = find_critical_point(descent, low, "minimum", 0)
    top = find_critical_point(descent, high, "saddle", 1)
    curvature, escape = _escape_direction(top)
    tensor = model.diffusion().tensor
    values = compile_expressions([model.objective, *tensor], variables)
    noise = [_magnitude(values(*p.position)[1:].reshape(d, d)) for p in (bottom, top)]
    rise = float(values(*top.position)[0] - values(*bottom.position)[0])
    if rise <= 0.0:
        raise InvalidModel(f"the loss at the saddle is {-rise:.4g} below that at the minimum")
    along = [float(escape @ t @ escape) for t in noise]
    if min(along) <= 0.0:
        raise NotPositiveSemidefinite(f"no noise along the escape direction {escape}: D_e {along}")
    well = float(escape @ bottom.hessian @ escape)
    share = curvature / (well + curvature) if path_fraction is None else float(path_fraction)
    if not 0.0 < share < 1.0:
        raise InvalidModel(f"path_fraction lies in (0, 1), not {share:g}")

    barrier = rise * (share / along[0] + (1.0 - share) / along[1])
    volumes = _determinant(top.hessian) * _determinant(noise[0])
    volumes /= _determinant(bottom.hessian) * _determinant(noise[1])
    ratio = along[1] / along[0]
    prefactor = curvature / (2 * np.pi * np.sqrt(volumes))
    if convention == "ito":
        prefactor /= ratio
    path_barrier = _path_barrier(values, bottom.position, top.position)
    if np.isinf(path_barrier):
        warnings.warn(
            f"the noise along the line from {bottom.position} to {top.position} vanishes on the "
            "way: the diffusion that this tensor defines never escapes along it, and the formula "
            "replaces it by one with the noise of the two ends; discrete SGD leaps over the gap",
            DisconnectedWarning,
            stacklevel=2,
        )
    info = Info(
        barrier=barrier,
        path_barrier=path_barrier,
        noise_vanishes=bool(np.isinf(path_barrier)),
        path_fraction=share,
        tensor_ratio=ratio,
        convention=convention,
        loss_barrier=rise,
        escape_direction=tuple(map(float, escape)),
        prefactor=prefactor,
    )
    return Rate(prefactor * np.exp(-barrier), "density diffusion", info=info)


def _escape_direction(saddle: CriticalPoint) -> tuple[float, Array]:
    """``|H_be|`` and e."""
    values, vectors = np.linalg.eigh(saddle.hessian)
    return float(-values[0]), vectors[:, 0]


def _magnitude(tensor: Array) -> Array:
    """Negative eigenvalues replaced by their size, as the formula does at saddles."""
    values, vectors = np.linalg.eigh(tensor)
    found: Array = (vectors * np.abs(values)) @ vectors.T
    return found


def _determinant(matrix: Array) -> float:
    return abs(float(np.linalg.det(matrix)))


def _path_barrier(values: Any, start: Array, stop: Array) -> float:
    """``int (dL/dl) / D_e dl`` on the straight line, infinite where D_e vanishes on it."""
    unit, d = (stop - start) / np.linalg.norm(stop - start), len(start)
    line = np.linspace(0.0, 1.0, 2 * INTERVALS + 1)
    points = start[:, np.newaxis] + (stop - start)[:, np.newaxis] * line
    loss, *tensor = values(*points)
    noise = np.einsum("i,ijk,j->k", unit, np.reshape(tensor, (d, d, -1)), unit)
    if noise.min() <= 0.0 or _touches_zero(values, start, stop, line, noise):
        return float("inf")
    # Increments of the loss over the noise at their middle: no derivative, jumps do no harm.
    return float(np.sum(np.diff(loss[::2]) / noise[1::2]))


def _touches_zero(values: Any, start: Array, stop: Array, line: Array, noise: Array) -> bool:
    """Whether D_e vanishes between two points, as ``|L''|`` does at an inflection."""
    unit, d = (stop - start) / np.linalg.norm(stop - start), len(start)

    def along(share: float) -> float:
        tensor = values(*(start + (stop - start) * share))[1:].reshape(d, d)
        return float(unit @ tensor @ unit)

    inner = (noise[1:-1] < noise[:-2]) & (noise[1:-1] <= noise[2:])
    for k in np.flatnonzero(inner) + 1:
        bounds = line[k - 1], line[k + 1]
        found = minimize_scalar(along, bounds=bounds, method="bounded", options={"xatol": 1e-13})
        # A kink at zero is found to xatol, far below this; a floor of noise lies above it.
        if found.fun <= VANISHES * noise.max():
            return True
    return False
