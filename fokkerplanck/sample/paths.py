"""Paths of a diffusion by the Euler–Maruyama scheme."""

from __future__ import annotations

import time
import warnings
from concurrent.futures import Executor
from typing import Any

import numpy as np
import sympy as sp

from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.kernels import compile_kernel
from fokkerplanck.errors import FokkerPlanckError, FokkerPlanckWarning, InvalidModel
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.results.ensemble import Ensemble
from fokkerplanck.sample.blocks import Chain, Seed, make_blocks, run_blocks, saved_steps
from fokkerplanck.sample.runs import (
    as_states,
    lower_triangle,
    positive_integer,
    require_finite,
    require_semidefinite,
)

__all__ = ["simulate"]


def simulate(
    diffusion: Diffusion,
    start: Any,
    *,
    duration: float,
    step: float,
    paths: int,
    seed: Seed,
    save_every: int | None = None,
    executor: Executor | None = None,
) -> Ensemble:
    r"""Independent paths of a diffusion, Euler–Maruyama in the Itô form.

    .. math:: x_{k+1} = x_k + A(x_k, t_k) h + \sqrt{2 h}\, B(x_k, t_k) z_k, \qquad B B^T = D

    with standard normal ``z``; weak order 1 in ``h``.  ``D`` may be singular, and is clipped where
    the diffusion says ``negative="clip"``.

    Parameters
    ----------
    diffusion : Diffusion
        All parameters with values; isothermal and Stratonovich ones through their Itô drift.
    start : d numbers, or array (paths, d)
    duration, step : float
        In units of time.  The step taken is the largest, not above `step`, of which `duration` is
        a multiple.
    paths : int
    seed : int, SeedSequence or Generator
        The same int or SeedSequence gives the same numbers, for any number of workers; a
        Generator, which changes as it is used, gives new ones every time.
    save_every : int, optional
        Number of steps between saved times; start and end only when None.
    executor : concurrent.futures.Executor, optional
        Where blocks of paths run; a thread for every processor when None.

    Returns
    -------
    Ensemble
        Times in units of time, values of shape (saved times, paths, d).

    Raises
    ------
    UnboundSymbol
        When a parameter has no value.
    NotPositiveSemidefinite
        When a path meets a tensor with a negative eigenvalue, rounding apart.
    InvalidCoefficient
        When a path leaves to infinity, or meets a drift or tensor that is not finite.
    InvalidModel
        When the tensor is clipped in the isothermal convention: there is no Itô drift then.
    FokkerPlanckError
        When a number of steps or paths, or the start, makes no sense.

    Notes
    -----
    Source: P. E. Kloeden and E. Platen, Numerical Solution of Stochastic Differential Equations
    (1992), section 10.2; weak order 1 for multiplicative noise, section 14.1.

    Examples
    --------
    >>> import fokkerplanck as fpk, sympy as sp
    >>> x = sp.Symbol("x", real=True)
    >>> ensemble = fpk.simulate(
    ...     fpk.Diffusion((x,), [-x], [[1]]), (2.0,), duration=1, step=0.01, paths=4000, seed=1
    ... )
    >>> ensemble.values.shape, ensemble.times
    ((2, 4000, 1), array([0., 1.]))
    >>> bool(abs(ensemble.mean() - 2 * 0.99**100)[0] < 4 * ensemble.mean_standard_error()[0])
    True
    """
    began = time.perf_counter()
    count = positive_integer(paths, "paths")
    steps, actual = _steps(duration, step)
    every = None if save_every is None else positive_integer(save_every, "save_every")
    _check_convention(diffusion)
    names = tuple(v.name for v in diffusion.variables)
    states = as_states(start, count, names)
    kernel = compile_kernel(
        [*diffusion.drift, *lower_triangle(diffusion.tensor), diffusion.floor],
        diffusion.variables,
        time=diffusion.time,
    )
    settings = (diffusion.negative == "clip", actual, actual, 2 * actual)
    chain = Chain(
        "Euler–Maruyama",
        kernel,
        settings,
        rows=kernel.data.shape[0],
        smallest_block=32,
        patient=False,
    )
    blocks = make_blocks(chain, states, steps=steps, save_every=every, seed=seed)
    outcomes = run_blocks(blocks, executor, label="paths")
    require_semidefinite(outcomes, kernel, names, "D", actual)
    require_finite(outcomes, kernel, names, actual)
    return Ensemble(
        actual * saved_steps(steps, every).astype(np.float64),
        np.concatenate([outcome.values for outcome in outcomes], axis=1),
        names,
        info=Info(
            method="Euler–Maruyama",
            step=actual,
            steps=steps,
            paths=count,
            seconds=time.perf_counter() - began,
        ),
    )


def _steps(duration: float, step: float) -> tuple[int, float]:
    """Number of steps, and the step that makes them add up to the duration."""
    whole, part = float(duration), float(step)
    if not (0 < part < np.inf and 0 < whole < np.inf):
        raise FokkerPlanckError(
            f"duration and step are positive numbers, not {duration!r} and {step!r}"
        )
    # 0.3 / 0.1 is above 3 by rounding: a step more than asked for by 1e-9 of itself is no harm.
    steps = max(1, int(np.ceil(whole / part * (1 - 1e-9))))
    return steps, whole / steps


def _check_convention(diffusion: Diffusion) -> None:
    """Refuse or warn where there is no Itô drift, or not everywhere."""
    if diffusion.negative == "clip" and diffusion.convention != "ito":
        raise InvalidModel(
            f"the tensor of this {diffusion.convention} diffusion is clipped numerically: its Itô "
            "drift has no symbol; give the Itô drift"
        )
    jumping = diffusion.tensor.atoms(sp.Piecewise, sp.Heaviside, sp.sign, sp.floor, sp.ceiling)
    if diffusion.convention == "ito" or not jumping:
        return
    warnings.warn(
        f"the tensor contains {next(iter(jumping))}: where it jumps, the Itô drift of a "
        f"{diffusion.convention} diffusion has a delta function, which sampled paths miss; solve "
        "on a grid there, or smooth the jump",
        FokkerPlanckWarning,
        stacklevel=3,
    )
