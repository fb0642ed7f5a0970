"""The effective loss of SGD along a degenerate valley, read off an optimizer."""

from __future__ import annotations

from typing import Any

import sympy as sp

from fokkerplanck.errors import InvalidModel
from fokkerplanck.model.optimizers import SGD, SGLD
from fokkerplanck.systems.degenerate_valley import MinimalValley

__all__ = ["effective_loss"]


def effective_loss(model: Any) -> sp.Expr:
    r"""``L + L_SGD`` with ``P ~ exp(-(L + L_SGD)/Delta)``, for a valley with constant noise.

    ``L = L0(x) + lambda(x) y^2/2`` and ``D = diag(Delta/kappa, Delta)`` in the variables ``(x,
    y)``, along and across the valley:

        ``L_SGD = Delta (1 - kappa) ln F + (kappa - 1) L0``,  flatness ``F = lambda^(-1/2)``

    Parameters
    ----------
    model : SGD or SGLD
        Two variables, a loss quadratic in the second, and noise that is constant and diagonal;
        symbols may stay without a value.

    Returns
    -------
    expression
        Exact for ``kappa = 1``.  Otherwise the leading order where y relaxes faster than x moves:
        `MinimalValley` has the small parameter and the first correction.

    Raises
    ------
    InvalidModel
        When loss or noise is not of that form.

    Notes
    -----
    N. Yang, C. Tang and Y. Tu, Phys. Rev. Lett. 130, 237101 (2023); derived in
    derivations/05_degenerate_valley.py.

    Examples
    --------
    >>> import sympy as sp, fokkerplanck as fpk
    >>> x, y = sp.symbols("x y", real=True)
    >>> noise = fpk.noise.Covariance(sp.diag(2, 8))
    >>> eta = sp.Symbol("eta", positive=True)
    >>> sgd = fpk.SGD((2 + sp.tanh(x)) * y**2 / 2, (x, y), noise, learning_rate=eta)
    >>> effective_loss(sgd)
    -12*eta*log(1/sqrt(tanh(x) + 2)) + y**2*(tanh(x) + 2)/2
    """
    return valley_of(model).effective_loss()


def valley_of(model: Any) -> MinimalValley:
    """The valley that an optimizer descends."""
    if not isinstance(model, (SGD, SGLD)):
        raise InvalidModel(f"the effective loss is that of SGD or SGLD, not {type(model).__name__}")
    if len(model.variables) != 2 or model.order != 1:
        raise InvalidModel(
            f"a valley has 2 variables at order 1, not {model.variables} at order {model.order}"
        )
    across = model.variables[1]
    tensor = model.diffusion().tensor
    if tensor.free_symbols & set(model.variables) or tensor[0, 1] != 0:
        raise InvalidModel(f"the tensor {tensor} is not constant and diagonal")
    if any(entry.is_positive is False for entry in (tensor[0, 0], tensor[1, 1])):
        raise InvalidModel(f"the tensor {tensor} has no noise along or across the valley")
    try:
        parts = sp.Poly(sp.expand(model.objective), across)
    except sp.PolynomialError:
        parts = None
    if parts is None or parts.degree() != 2 or not sp.simplify(parts.coeff_monomial(across)) == 0:
        raise InvalidModel(
            f"the loss {model.objective} is not L0 + lambda {across}^2/2 with functions of "
            f"{model.variables[0]}"
        )
    return MinimalValley(
        curvature=sp.factor(2 * parts.coeff_monomial(across**2)),
        base_loss=parts.coeff_monomial(1),
        kappa=tensor[1, 1] / tensor[0, 0],
        noise=tensor[1, 1],
        variables=model.variables,
    )
