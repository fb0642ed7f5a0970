"""The normal density around a minimum, from the linearised equation or the linearised step."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from scipy.linalg import solve_continuous_lyapunov, solve_discrete_lyapunov

from fokkerplanck.discretize.definite import require_semidefinite
from fokkerplanck.discretize.info import Info
from fokkerplanck.errors import InvalidModel, NotNormalizable
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.optimizer import Optimizer
from fokkerplanck.results.gaussian import Gaussian
from fokkerplanck.theory.critical import Derivatives, as_points
from fokkerplanck.theory.newton import as_text, find_zero

__all__ = ["gaussian_approximation"]

Array = NDArray[np.float64]


def gaussian_approximation(model: Any, point: Any) -> Gaussian:
    r"""Mean and covariance of the stationary state around a minimum.

    A `Diffusion` is linearised where its Itô drift vanishes, ``A = -K (theta - theta_0)``:

        ``K S + S K^T = 2 D``

    An optimizer at the fixed point of its step, whose Jacobian is M and whose covariance is Q: ``S
    = M S M^T + Q``, at a finite learning rate.  For SGD with ``H`` the Hessian this is

        ``H S + S H - eta H S H = eta C``

    `Momentum` gives the covariance of variables and velocities together.  For the limit of small
    steps pass ``optimizer.diffusion()``.

    Parameters
    ----------
    model : Diffusion, SGD, SGLD or Momentum
    point : tuple of d numbers
        Near the minimum; velocities may be left out.

    Returns
    -------
    Gaussian
        `info`: ``shift`` of the mean at the next order, in standard deviations, and
        ``noise_change``, the relative change of D or Q over the density: both vanish for a
        quadratic loss with constant noise, where mean and covariance are exact.  ``slowest``:
        smallest rate of relaxation (per time, or per step).  Optimizers: ``step_size`` = eta
        lambda_max and the ``step_size_limit`` below which it must stay.

    Raises
    ------
    InvalidModel
        When no fixed point is near, or the learning rate is beyond stability:
        ``eta lambda_max >= 2``, with momentum ``2 (1 + beta)``.
    NotNormalizable
        When a direction does not relax, as at a saddle.
    NotPositiveSemidefinite
        When the noise has a negative eigenvalue there.

    Notes
    -----
    S. Mandt, M. Hoffman and D. Blei, JMLR 18 (2017); K. Liu, L. Ziyin and M. Ueda, ICML 2021.
    Derived in derivations/04_lyapunov.py, for momentum in derivations/06_momentum.py.

    Examples
    --------
    >>> import sympy as sp, fokkerplanck as fpk
    >>> x = sp.Symbol("x", real=True)
    >>> sgd = fpk.SGD(x**2, x, fpk.noise.Isotropic(1), learning_rate=0.5)
    >>> gaussian_approximation(sgd, (0,)).covariance
    array([[0.25]])
    >>> gaussian_approximation(sgd.diffusion(), (0,)).covariance
    array([[0.125]])
    """
    if isinstance(model, Diffusion):
        return _of_diffusion(model, point)
    if isinstance(model, Optimizer):
        return _of_step(model, point)
    raise InvalidModel(f"a Diffusion or an optimizer is linearised, not {type(model).__name__}")


def _of_diffusion(model: Diffusion, point: Any) -> Gaussian:
    (start,) = as_points(point, model.dimension, "minimum")
    drift = Derivatives(list(model.drift), model.variables, 2)
    noise = Derivatives(list(model.tensor), model.variables, 2)
    centre = find_zero(lambda p: (drift(p)[0], drift(p)[1]), start, "minimum")
    _, slope, bend = drift(centre)
    tensor, change = _noise(noise, centre, model.variables)
    rates = np.linalg.eigvals(-slope).real
    _require_relaxation(float(rates.min()), centre)
    covariance = solve_continuous_lyapunov(slope, -2.0 * tensor)
    info = _validity(-slope, bend, covariance, tensor, change)
    return Gaussian(
        tuple(v.name for v in model.variables),
        centre,
        covariance,
        "linearised diffusion",
        info.extended(slowest=float(rates.min())),
    )


def _of_step(model: Optimizer, point: Any) -> Gaussian:
    state, size = model.state, len(model.state)
    (start,) = as_points(_with_velocities(point, model), size, "minimum")
    mean = Derivatives(list(model.step_mean), state, 2)
    noise = Derivatives(list(model.step_covariance), state, 2)

    def motion(here: Array) -> tuple[Array, Array]:
        moved, slope, _ = mean(here)
        return moved - here, slope - np.eye(size)

    centre = find_zero(motion, start, "minimum")
    _, step, bend = mean(centre)
    tensor, change = _noise(noise, centre, state)
    stability = _stability(model, centre)
    slowest = 1.0 - float(np.abs(np.linalg.eigvals(step)).max())
    _require_relaxation(slowest, centre)
    covariance = solve_discrete_lyapunov(step, tensor)
    info = _validity(np.eye(size) - step, bend, covariance, tensor, change)
    return Gaussian(
        tuple(v.name for v in state),
        centre,
        covariance,
        "linearised step",
        info.extended(slowest=slowest, **stability),
    )


def _with_velocities(point: Any, model: Optimizer) -> Any:
    missing = len(model.state) - len(model.variables)
    values = np.atleast_1d(np.asarray(point, dtype=float))
    if missing and values.shape == (len(model.variables),):
        return np.concatenate([values, np.zeros(missing)])
    return values


def _stability(model: Optimizer, centre: Array) -> dict[str, float]:
    """``eta lambda_max`` and the bound that it must stay below."""
    d = len(model.variables)
    slope = Derivatives(list(model.gradient), model.variables, 1)(centre[:d])[1]
    curvatures = np.linalg.eigvalsh((slope + slope.T) / 2)
    eta = float(model.learning_rate)
    limit = 2.0 * (1.0 + float(getattr(model, "momentum", 0)))
    step = eta * float(curvatures[-1])
    if step >= limit:
        raise InvalidModel(
            f"eta lambda_max = {step:.4g} at the minimum {as_text(centre[:d])}, not below "
            f"{limit:g}: the iteration leaves it; take a learning rate below "
            f"{limit / float(curvatures[-1]):.4g}"
        )
    _require_relaxation(float(curvatures[0]), centre[:d])
    return {"step_size": step, "step_size_limit": limit}


def _noise(noise: Derivatives, centre: Array, variables: tuple[sp.Symbol, ...]) -> Any:
    """Tensor at the centre, and its second derivatives."""
    size = len(variables)
    values, _, second = noise(centre)
    tensor = values.reshape(size, size)
    require_semidefinite(tensor, list(centre), [v.name for v in variables])
    return tensor, second.reshape(size, size, size, size)


def _validity(restoring: Array, bend: Array, covariance: Array, tensor: Array, change: Any) -> Info:
    """Second derivatives of drift and noise, averaged over the density."""
    push = np.einsum("ijk,jk->i", bend, covariance) / 2
    shift = np.linalg.solve(restoring, push)
    relative = np.einsum("ijkl,kl->ij", change, covariance) / 2
    scale = float(np.linalg.norm(tensor))
    return Info(
        shift=float(np.sqrt(max(0.0, shift @ np.linalg.pinv(covariance) @ shift))),
        noise_change=float(np.linalg.norm(relative) / scale) if scale > 0 else 0.0,
    )


def _require_relaxation(slowest: float, centre: Array) -> None:
    if not slowest > 0.0:
        raise NotNormalizable(
            f"at {as_text(centre)} a direction does not relax (slowest rate {slowest:.4g}): no "
            "stationary density around it; start at a minimum"
        )
