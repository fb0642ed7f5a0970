"""Discrete SGD beside its diffusions, over learning rates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import sympy as sp

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.operator import FokkerPlanckOperator, assemble
from fokkerplanck.discretize.transition import TransitionOperator, transition_operator
from fokkerplanck.errors import InvalidModel
from fokkerplanck.model.optimizers import SGD, SGLD
from fokkerplanck.results.comparison import Comparison
from fokkerplanck.results.rate import Rate

__all__ = ["compare"]

Model = SGD | SGLD
Quantity = Callable[[FokkerPlanckOperator | TransitionOperator], float | Rate]


def compare(
    model: Model | Callable[[float], Model],
    quantity: Quantity,
    *,
    learning_rates: Sequence[float],
    steps: Grid | Callable[[float], Grid],
    diffusion: Grid | Callable[[float], Grid],
    orders: Sequence[Literal[1, 2]] = (1, 2),
    sampled: Callable[[Model], tuple[float, float]] | None = None,
) -> Comparison:
    """A number of discrete SGD, and of its modified equations, against the learning rate.

    Parameters
    ----------
    model : SGD or SGLD whose learning rate is a symbol, or a function of the learning rate
        The function when something else is to change with it, such as a noise that keeps
        ``eta C`` constant.
    quantity : function of an operator
        Such as ``lambda op: fpk.stationary_density(op).probability(x > 0)``, or one that returns a
        `Rate`, which is taken per unit of time ``t = eta * steps``.
    learning_rates : numbers
    steps : Panels or Grid, or a function of the learning rate
        For the one-step operator.
    diffusion : Grid, or a function of the learning rate
        For the modified equations.
    orders : of these; 1, or 1 and 2
    sampled : function of the model, optional
        The number by runs of SGD with its standard error, such as from `simulate_sgd`.

    Returns
    -------
    Comparison

    Raises
    ------
    InvalidModel
        When the learning rate of a model is a number, a learning rate is given twice or not
        positive, or the orders are others.

    Examples
    --------
    The stationary variance of a quadratic, relative to ``eta/(2 - eta)``:

    >>> import sympy as sp, fokkerplanck as fpk
    >>> x, eta = sp.Symbol("x", real=True), sp.Symbol("eta", positive=True)
    >>> sgd = fpk.SGD(x**2 / 2, (x,), fpk.noise.Isotropic(1 / eta), learning_rate=eta)
    >>> table = fpk.compare(
    ...     sgd, lambda operator: fpk.stationary_density(operator).covariance()[0, 0],
    ...     learning_rates=(0.2, 0.4), steps=fpk.Panels(x=(-7, 7)),
    ...     diffusion=fpk.Grid(x=(-7, 7, 700)))
    >>> print(table)
              eta        exact      order 1      order 2
              0.2     0.555...       0.5...       0.55
              0.4     0.625...       0.5...       0.6
    >>> table.slopes.round(1)
    array([[1.],
           [2.]])
    """
    rates = np.sort(np.asarray(learning_rates, dtype=float))
    if rates.ndim != 1 or not rates.size or rates[0] <= 0 or (np.diff(rates) == 0).any():
        raise InvalidModel(f"learning rates are different positive numbers, not {learning_rates!r}")
    if tuple(orders) not in ((1,), (1, 2)):
        raise InvalidModel(f"orders are (1,) or (1, 2), not {tuple(orders)}")
    exact, modified, runs = [], [], []
    for rate in map(float, rates):
        one = _at(model, rate)
        operator = transition_operator(one, _on(steps, rate))
        exact.append(_number(quantity(operator), rate))
        row = []
        for order in orders:
            equation = replace(one, order=order).diffusion()
            row.append(_number(quantity(assemble(equation, _on(diffusion, rate))), rate))
        modified.append(row)
        if sampled is not None:
            runs.append(sampled(one))
    values, errors = np.transpose(runs) if runs else (None, None)
    return Comparison(rates, np.array(exact), np.transpose(modified), values, errors)


def _at(model: Model | Callable[[float], Model], rate: float) -> Model:
    if not isinstance(model, (SGD, SGLD)):
        return model(rate)
    if not isinstance(model.learning_rate, sp.Symbol):
        raise InvalidModel(
            f"the learning rate of the model is {model.learning_rate}: make it a symbol, or give a "
            "function of the learning rate"
        )
    made: Model = model.subs({model.learning_rate: rate})
    return made


def _on(grid: Grid | Callable[[float], Grid], rate: float) -> Grid:
    return grid if isinstance(grid, Grid) else grid(rate)


def _number(value: float | Rate, rate: float) -> float:
    return value.per_time(rate).value if isinstance(value, Rate) else float(value)
