"""Runs of discrete optimizers: Gaussian gradient noise, or real minibatches."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.info import Info
from fokkerplanck.errors import FokkerPlanckWarning
from fokkerplanck.model.optimizers import SGD, SGLD, Momentum
from fokkerplanck.results.ensemble import Ensemble
from fokkerplanck.sample.blocks import Seed, make_blocks, run_blocks
from fokkerplanck.sample.chain import Outcome, saved_steps
from fokkerplanck.sample.crossing import as_relation
from fokkerplanck.sample.lanes import DIVERGED, FAR
from fokkerplanck.sample.optimizer_chain import chain_of_optimizer, has_minibatches
from fokkerplanck.sample.runs import as_states, place, positive_integer, require_semidefinite

__all__ = ["simulate_sgd"]

Array = NDArray[np.float64]


def simulate_sgd(
    optimizer: SGD | SGLD | Momentum,
    start: Any,
    *,
    steps: int,
    runs: int,
    seed: Seed,
    save_every: int | None = None,
    region: Any = None,
    executor: Executor | None = None,
) -> Ensemble:
    """Independent runs of discrete SGD, SGLD or momentum; no continuous-time approximation.

    With `noise.PerSample` and arrays of data, every step draws `batch_size` rows (with or without
    replacement, as the noise model says) and descends the gradient of the loss averaged over
    them.  With any other noise model, and with moments, the gradient noise is normal with the
    covariance of one step.  For a normal approximation of minibatch noise give
    ``noise.Covariance(optimizer.covariance)`` and the objective as the loss.

    Parameters
    ----------
    optimizer : SGD, SGLD or Momentum
        All parameters with values; `order`, which belongs to the modified equation, has no effect.
    start : d numbers, or array (runs, d)
        For `Momentum` also with velocities after the variables; zero when left out.
    steps, runs : int
    seed, save_every, executor
        As for `simulate`.
    region : region, optional
        SymPy relation such as ``x > 0``, And/Or of several, or a predicate.  When each run changes
        its side for the last time is recorded, and its state then, whatever is saved.

    Returns
    -------
    Ensemble
        Times are ``learning_rate * steps``; `Ensemble.steps` counts steps.  The variables are
        those of the state, for `Momentum` with the velocities.

    Raises
    ------
    UnboundSymbol
        When a parameter has no value.
    NotPositiveSemidefinite
        When a run meets a covariance with a negative eigenvalue, rounding apart.
    InvalidModel
        When `loss` and the sample loss of `PerSample` differ by a term that depends on the data.
    FokkerPlanckError
        When a number of steps or runs, or the start, makes no sense.
    InvalidRegion
        When the region is constant, or cannot be compiled.

    Warns
    -----
    FokkerPlanckWarning
        When runs leave to infinity, which large learning rates make them do.  Such a run stops at
        its last state within 1e100; `Ensemble.diverged_at` says when.  It stays in the ensemble:
        `Ensemble.histogram` counts it as lost, `Ensemble.mean` refuses it, and
        `Ensemble.survivors` leaves it out.

    Examples
    --------
    One sample a step, from two; the stationary variance is ``eta c / (2 - eta)``:

    >>> import fokkerplanck as fpk, sympy as sp
    >>> x, a = sp.symbols("x a", real=True)
    >>> loss = (x - a) ** 2 / 2
    >>> sgd = fpk.SGD(loss, (x,), fpk.noise.PerSample(loss, {a: [-1, 1]}), learning_rate=0.5)
    >>> runs = fpk.simulate_sgd(sgd, (0.0,), steps=100, runs=4000, seed=1)
    >>> difference = runs.covariance() - 0.5 / 1.5
    >>> bool(abs(difference) < 4 * runs.covariance_standard_error())
    True
    """
    began = time.perf_counter()
    count, number = positive_integer(runs, "runs"), positive_integer(steps, "steps")
    every = None if save_every is None else positive_integer(save_every, "save_every")
    names = tuple(v.name for v in optimizer.state)
    chain = chain_of_optimizer(optimizer, None if region is None else as_relation(region, names))
    chain = replace(chain, watched=region is not None)
    rate = float(optimizer.learning_rate)
    states = as_states(start, count, names, default=len(names) - len(optimizer.variables))
    blocks = make_blocks(chain, states, steps=number, save_every=every, seed=seed)
    outcomes = run_blocks(blocks, executor, label="runs")
    require_semidefinite(outcomes, chain.kernel, names, "the covariance of one step", 0.0)
    saved = saved_steps(number, every)
    diverged = _warn_of_divergence(outcomes, names, rate)
    return Ensemble(
        rate * saved.astype(np.float64),
        np.concatenate([outcome.values for outcome in outcomes], axis=1),
        names,
        steps=saved,
        diverged_at=diverged,
        last_change=_joined([outcome.changed for outcome in outcomes]),
        at_last_change=_joined([outcome.changed_at for outcome in outcomes]),
        info=Info(
            method="minibatches" if has_minibatches(optimizer) else "Gaussian gradient noise",
            learning_rate=rate,
            steps=number,
            runs=count,
            diverged=int(np.isfinite(diverged).sum()),
            seconds=time.perf_counter() - began,
        ),
    )


def _joined(parts: Sequence[NDArray[Any] | None]) -> NDArray[Any] | None:
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if known else None


def _warn_of_divergence(outcomes: Sequence[Outcome], names: Sequence[str], rate: float) -> Array:
    """Time at which every run diverged, infinite when it did not."""
    reason = np.concatenate([outcome.reason for outcome in outcomes])
    stopped = np.concatenate([outcome.stopped for outcome in outcomes])
    diverged = reason == DIVERGED
    if diverged.any():
        first = int(np.flatnonzero(diverged)[np.argmin(stopped[diverged])])
        last_state = np.concatenate([outcome.values[-1] for outcome in outcomes])[first]
        warnings.warn(
            f"{int(diverged.sum())} of {diverged.size} runs left to infinity (beyond {FAR:g}), the "
            f"first, run {first}, at step {int(stopped[first])} from {place(names, last_state)}; "
            "they stand still from then on.  A smaller learning rate may keep them",
            FokkerPlanckWarning,
            stacklevel=3,
        )
    return np.where(diverged, rate * stopped, np.inf)
