"""Laws of balance: what gradient noise does to the charge of a symmetry of the loss.

Gradient flow conserves ``Q = theta^T A theta`` when every sample's loss is unchanged by
``theta -> exp(c A) theta``; SGD drives it towards a balance of the noise (L. Ziyin, H. Li and
M. Ueda, arXiv:2308.06671; L. Ziyin, M. Wang, H. Li and L. Wu, arXiv:2402.07193).
"""

from __future__ import annotations

from typing import Any

import sympy as sp

from fokkerplanck.errors import InvalidModel
from fokkerplanck.model.noise import Noise, PerSample
from fokkerplanck.model.points import vanishes
from fokkerplanck.model.symbols import as_square, as_variables, gradient, match_names

__all__ = ["balance_rate"]


def balance_rate(
    sample_loss: Any,
    generator: Any,
    variables: Any,
    noise: Noise,
    *,
    temperature: Any = 1,
    weight_decay: Any = 0,
) -> sp.Expr:
    r"""Rate of ``Q = theta^T A theta`` for a symmetry ``l(exp(c A) theta) = l(theta)``.

    ``dQ/dt = T tr(A C) - 4 gamma Q``, without noise: ``(A theta)^T grad l = 0`` for every sample
    takes both the drift and the noise of ``theta`` out of ``dQ``, and leaves Itô's term.  With
    ``T = eta/B``, time ``t = eta * steps``, and weight decay ``gamma |theta|^2`` in the loss.

    Parameters
    ----------
    sample_loss : expression
        Loss ``l`` of one sample, without weight decay.
    generator : matrix of expressions, shape (d, d)
        ``A``, symmetric, free of the variables.
    variables : sequence of Symbol, length d
    noise : noise model
        ``C``, the covariance of one sample's gradient: `noise.PerSample` of the same loss with
        data or moments, or `noise.Covariance` of a matrix with ``C A theta = 0``.
    temperature, weight_decay : number or expression
        ``T`` and ``gamma``.

    Returns
    -------
    expression, simplified unless it averages over data

    Raises
    ------
    InvalidModel
        When the loss has not that symmetry, or the noise moves ``Q`` at random, with the term that
        does not vanish.

    Examples
    --------
    Two layers of one unit, with labels of variance s^2 about 0:

    >>> import sympy as sp, fokkerplanck as fpk
    >>> u, w, y = sp.symbols("u w y", real=True)
    >>> s, T = sp.symbols("s T", positive=True)
    >>> loss = (u * w - y) ** 2
    >>> labels = fpk.noise.PerSample(loss, {y: {1: 0, 2: s**2}})
    >>> rate = fpk.symmetry.balance_rate(loss, sp.diag(1, -1), (u, w), labels, temperature=T)
    >>> sp.factor(rate / (u**2 - w**2))
    -4*T*s**2
    """
    symbols = as_variables(variables)
    matrix = as_square(generator, len(symbols), "the generator")
    matrix = matrix.applyfunc(lambda entry: match_names(entry, symbols))
    if matrix.free_symbols & set(symbols):
        raise InvalidModel(f"the generator {matrix.tolist()} depends on the variables")
    data = getattr(noise, "data", None)
    bound = (*symbols, *(data.symbols if data is not None else ()))
    loss = match_names(sample_loss, bound)
    theta = sp.Matrix(symbols)
    direction = matrix * theta
    change = (direction.T * gradient(loss, symbols))[0]
    if not vanishes(change, bound):
        raise InvalidModel(
            f"the loss has no such symmetry: (A theta)^T grad l = {sp.factor(sp.expand(change))} "
            "does not vanish; weight decay belongs into weight_decay"
        )
    covariance = noise.covariance(loss, symbols)
    if isinstance(noise, PerSample):
        _require_same_gradient(loss, noise, symbols)
    else:
        for entry in covariance * direction:
            if not vanishes(entry, symbols):
                raise InvalidModel(
                    f"the noise moves Q at random: C A theta contains {entry}, which does not "
                    "vanish; the noise has not the symmetry of the loss"
                )
    charge = (theta.T * direction)[0]
    gamma, scale = sp.sympify(weight_decay), sp.sympify(temperature)
    rate = scale * (matrix * covariance).trace() - 4 * gamma * charge
    return rate if data is not None and hasattr(data, "table") else sp.factor(sp.expand(rate))


def _require_same_gradient(loss: sp.Expr, noise: PerSample, symbols: tuple[sp.Symbol, ...]) -> None:
    own = noise.sample_gradient(symbols)
    bound = (*symbols, *noise.data.symbols)
    for entry in gradient(loss, symbols) - own:
        if not vanishes(entry, bound):
            raise InvalidModel(
                f"the noise belongs to another loss: the gradients differ by {entry}; give the "
                "same per-sample loss to both"
            )
