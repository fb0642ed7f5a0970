"""Paths of a diffusion."""

from __future__ import annotations

import time
from concurrent.futures import Executor
from typing import Any

import numpy as np

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.info import Info
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.results.ensemble import Ensemble
from fokkerplanck.sample.blocks import Seed, make_blocks, run_blocks
from fokkerplanck.sample.chain import saved_steps
from fokkerplanck.sample.diffusion_chain import chain_of_diffusion, steps_of
from fokkerplanck.sample.lanes import ARRIVED
from fokkerplanck.sample.runs import (
    as_states,
    positive_integer,
    require_finite,
    require_inside,
    require_semidefinite,
)
from fokkerplanck.sample.schemes import EulerMaruyama, Scheme

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
    scheme: Scheme | None = None,
    walls: Grid | None = None,
    executor: Executor | None = None,
) -> Ensemble:
    r"""Independent paths of a diffusion; by default Euler–Maruyama in the Itô form,

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
    scheme : EulerMaruyama, WeakSecondOrder or Tamed, optional
        `EulerMaruyama` when None.  A scheme is the form of a step; the size of it is `step`.
    walls : Grid, optional
        Keeps paths in its box as its boundary words say, along its axes, which are some or all of
        the variables.  Reflecting: they turn around along ``D n``, which lets no probability flow
        through.  Periodic: they are wrapped.  Absorbing: they stop, also where a Brownian bridge
        between two steps passes the wall, and `Ensemble.absorbed_at` has the time.
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
        When a number of steps or paths, the scheme or the start makes no sense, or the start lies
        outside the walls.
    GridMismatch
        When an axis of the walls is no variable.

    Notes
    -----
    All schemes are of weak order 1 with walls.  Source: E. Gobet, Stoch. Proc. Appl. 87, 167 (2000)
    for absorbing ones; M. Bossy, E. Gobet and D. Talay, J. Appl. Probab. 41, 877 (2004) for
    reflecting ones.  Sources of the schemes stand with them.

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
    steps, actual = steps_of(duration, step)
    every = None if save_every is None else positive_integer(save_every, "save_every")
    names = tuple(v.name for v in diffusion.variables)
    states = as_states(start, count, names)
    chosen = EulerMaruyama() if scheme is None else scheme
    chain = chain_of_diffusion(diffusion, chosen, actual, walls)
    require_inside(states, walls, names)
    blocks = make_blocks(chain, states, steps=steps, save_every=every, seed=seed)
    outcomes = run_blocks(blocks, executor, label="paths")
    require_semidefinite(outcomes, chain.kernel, names, "D", actual)
    require_finite(outcomes, chain.kernel, names, actual)
    reason = np.concatenate([outcome.reason for outcome in outcomes])
    stopped = np.concatenate([outcome.stopped for outcome in outcomes])
    absorbed = np.where(reason == ARRIVED, actual * stopped, np.inf)
    entries = {"absorbed": int((reason == ARRIVED).sum())} if chain.target is not None else {}
    return Ensemble(
        actual * saved_steps(steps, every).astype(np.float64),
        np.concatenate([outcome.values for outcome in outcomes], axis=1),
        names,
        absorbed_at=absorbed,
        info=Info(
            method=chosen.name,
            step=actual,
            steps=steps,
            paths=count,
            **entries,
            seconds=time.perf_counter() - began,
        ),
    )
