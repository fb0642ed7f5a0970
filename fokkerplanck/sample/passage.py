"""Escape rates from sampled first-passage times."""

from __future__ import annotations

import time
import warnings
from concurrent.futures import Executor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.info import Info
from fokkerplanck.errors import (
    CensoredPaths,
    FokkerPlanckError,
    FokkerPlanckWarning,
    InvalidModel,
    InvalidRegion,
)
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.optimizers import SGD, SGLD, Momentum
from fokkerplanck.results.density import Density
from fokkerplanck.results.rate import Rate
from fokkerplanck.sample.blocks import Seed, make_blocks, run_blocks, spawn
from fokkerplanck.sample.chain import Chain, Outcome
from fokkerplanck.sample.crossing import as_relation
from fokkerplanck.sample.diffusion_chain import chain_of_diffusion
from fokkerplanck.sample.hazard import Waiting, estimate
from fokkerplanck.sample.lanes import ARRIVED, DIVERGED
from fokkerplanck.sample.optimizer_chain import chain_of_optimizer
from fokkerplanck.sample.runs import (
    as_states,
    draw_states,
    place,
    positive_integer,
    require_finite,
    require_inside,
    require_semidefinite,
)
from fokkerplanck.sample.schemes import EulerMaruyama, Scheme

__all__ = ["sample_escape_rate"]

Array = NDArray[np.float64]

# Steps until all paths have arrived, when no duration is given.
ENDLESS = 2**62
# Between early and late hazards of an exponential law, one in 16 000 differs by more.
SUSPICIOUS = 4.0


def sample_escape_rate(
    model: Diffusion | SGD | SGLD | Momentum,
    start: Any,
    target: Any,
    *,
    paths: int,
    step: float | None,
    seed: Seed,
    duration: float | None = None,
    scheme: Scheme | None = None,
    walls: Grid | None = None,
    executor: Executor | None = None,
) -> Rate:
    """One over the mean time until sampled paths reach a target.

    Of a diffusion, between two steps a Brownian bridge decides whether the path touched the
    target, so that the bias is of order 1 in the step instead of 1/2.  Of an optimizer, runs are
    its own discrete steps, and have arrived when a step ends in the target.

    Parameters
    ----------
    model : Diffusion, or SGD, SGLD, Momentum
    start : d numbers, array (paths, d), or Density
        From a density every path draws its start: a cell by its probability, a place in it evenly.
    target : region
        SymPy relation such as ``x > 0.8``, And/Or of several, or a predicate that gives one when
        it is called with symbols.
    paths : int
    step : float, or None for an optimizer
        Size of a step in units of time.
    seed : int, SeedSequence or Generator
        As for `simulate`: the same numbers for any number of workers.
    duration : float, optional
        Time, or steps of an optimizer, after which a path is given up.  Until all have arrived
        when None, for ever when the target cannot be reached.
    scheme, walls : optional
        As for `simulate`, of diffusions.  As for `escape_rate`, the time is that until the target
        or an absorbing wall.
    executor : concurrent.futures.Executor, optional
        Where blocks of paths run; a thread for every processor when None.

    Returns
    -------
    Rate
        Per unit of time, or per step of an optimizer.  When all paths arrive, one over the mean
        time, for any law of the times, as `escape_rate` means it.  Otherwise the number of
        arrivals over the time spent by all, the estimate of maximum likelihood for times of an
        exponential law: the law of escapes over barriers, once a path has forgotten its start.
        In `info`: ``mean_time``, ``arrived``, ``censored`` (and ``diverged``, the runs of an
        optimizer among them that left to infinity); ``interval``, of 95 percent, exact for
        exponential times; ``hazard_ratio``, of the arrivals per unit of time late and early, and
        ``hazard_sigmas``, its distance from 1, that of an exponential law, in standard errors.

    Raises
    ------
    InvalidRegion
        When the target contains a start, cannot be compiled, or is constant.
    InvalidModel, UnboundSymbol, NotPositiveSemidefinite, InvalidCoefficient, GridMismatch
        As for `simulate` and `simulate_sgd`.
    FokkerPlanckError
        When the step, the duration, the walls or the number of paths makes no sense.

    Warns
    -----
    CensoredPaths
        When the share of paths that did not arrive is above the relative standard error, so that
        it matters whether the law is exponential; the message says whether it looks so.

    Examples
    --------
    Brownian motion between a reflecting wall at 0 and a target at 1; the mean time is 1/2:

    >>> import fokkerplanck as fpk, sympy as sp
    >>> x = sp.Symbol("x", real=True)
    >>> free = fpk.Diffusion((x,), [0], [[1]])
    >>> wall = fpk.Grid(x=(0, 2, 20))
    >>> rate = fpk.sample_escape_rate(
    ...     free, (0.0,), x > 1, paths=10_000, step=1e-3, seed=1, walls=wall
    ... )
    >>> abs(rate.value - 2) < 3 * rate.standard_error, rate.info["censored"]
    (True, 0)
    """
    began = time.perf_counter()
    count = positive_integer(paths, "paths")
    chain, h, names = _chain(model, target, step, scheme, walls)
    limit = _limit(duration, h)
    default = len(names) - len(model.variables)
    if isinstance(start, Density):
        seed, drawing = spawn(seed, 2)
        states = draw_states(start, count, names, drawing)
    else:
        states = as_states(start, count, names, default=default)
    require_inside(states, walls, names)
    _require_outside(chain, states, names)
    blocks = make_blocks(chain, states, steps=limit, save_every=None, seed=seed)
    outcomes = run_blocks(blocks, executor, label="paths")
    require_semidefinite(outcomes, chain.kernel, names, "D" if step else "the covariance", h)
    if not chain.patient:
        require_finite(outcomes, chain.kernel, names, h)
    waiting = _waiting(outcomes, limit, h, bridged=not chain.patient)
    result = estimate(waiting)
    info = Info(
        step=h,
        paths=count,
        **result.entries,
        **({"diverged": _diverged(outcomes)} if chain.patient else {}),
        seconds=time.perf_counter() - began,
    )
    _warn(info, count)
    return Rate(
        result.value,
        result.method,
        result.standard_error,
        info,
        "step" if chain.patient else "time",
    )


def _chain(
    model: Any, target: Any, step: float | None, scheme: Scheme | None, walls: Grid | None
) -> tuple[Chain, float, tuple[str, ...]]:
    """Compiled model, its step, and the names of its coordinates."""
    if isinstance(model, Diffusion):
        names = tuple(v.name for v in model.variables)
        if step is None or not 0 < float(step) < np.inf:
            raise FokkerPlanckError(
                f"a diffusion needs a step, a positive number of units of time, not {step!r}"
            )
        chosen = EulerMaruyama() if scheme is None else scheme
        relation = as_relation(target, names)
        return chain_of_diffusion(model, chosen, float(step), walls, relation), float(step), names
    if not isinstance(model, (SGD, SGLD, Momentum)):
        raise InvalidModel(
            f"paths are sampled of a Diffusion, SGD, SGLD or Momentum, not {type(model).__name__}"
        )
    if step is not None or scheme is not None or walls is not None:
        raise FokkerPlanckError(
            "an optimizer makes its own steps, and knows no walls: step=None, without scheme and "
            "walls; to sample the diffusion instead, pass .diffusion()"
        )
    names = tuple(v.name for v in model.state)
    return chain_of_optimizer(model, as_relation(target, names)), 1.0, names


def _limit(duration: float | None, h: float) -> int:
    if duration is None:
        return ENDLESS
    if not 0 < float(duration) < np.inf:
        raise FokkerPlanckError(f"the duration is a positive number, not {duration!r}")
    return max(1, round(float(duration) / h))


def _require_outside(chain: Chain, states: Array, names: tuple[str, ...]) -> None:
    assert chain.target is not None
    for state in np.unique(states, axis=0):
        if chain.target(state)[0] >= 0.0:
            raise InvalidRegion(f"the target contains the start {place(names, state)}")


def _waiting(outcomes: list[Outcome], limit: int, h: float, *, bridged: bool) -> Waiting:
    """Times of the paths; one that passed between two steps did so halfway on average."""
    reason = np.concatenate([outcome.reason for outcome in outcomes])
    stopped = np.concatenate([outcome.stopped for outcome in outcomes]).astype(np.float64)
    arrived = reason == ARRIVED
    steps = np.where(reason == 0, float(limit), stopped)
    return Waiting(h * (steps - np.where(arrived & bridged, 0.5, 0.0)), arrived)


def _diverged(outcomes: list[Outcome]) -> int:
    return sum(int((outcome.reason == DIVERGED).sum()) for outcome in outcomes)


def _warn(info: Info, paths: int) -> None:
    """Say so when the answer rests on the exponential law, and whether the times follow it."""
    if info.get("diverged", 0):
        warnings.warn(
            f"{info['diverged']} of {paths} runs left to infinity before they arrived; they count "
            "as censored then, and may never have come back: a smaller learning rate may keep them",
            FokkerPlanckWarning,
            stacklevel=3,
        )
    arrived, censored = info["arrived"], info["censored"]
    # What the censored paths would have added is of the order of their share.
    if not censored or (arrived and censored / paths < arrived**-0.5):
        return
    sigmas = info.get("hazard_sigmas")
    law = (
        "too few arrived to tell whether it is"
        if sigmas is None
        else "which the arrivals contradict: their hazard changes by the factor "
        f"{info['hazard_ratio']:.3g}, {abs(sigmas):.1f} standard errors from 1"
        if abs(sigmas) > SUSPICIOUS
        else "which the arrivals do not contradict"
    )
    warnings.warn(
        f"{censored} of {paths} paths had not arrived at the end; the rate is that of maximum "
        f"likelihood for an exponential law, {law}.  A longer duration needs no such law",
        CensoredPaths,
        stacklevel=3,
    )
