"""Schemes for paths of diffusions, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fokkerplanck.errors import InvalidModel
from fokkerplanck.sample import recursion

__all__ = ["EulerMaruyama", "Scheme", "Tamed", "WeakSecondOrder"]


@dataclass(frozen=True)
class EulerMaruyama:
    r"""``x' = x + h A + sqrt(2 h) D^(1/2) z``; weak order 1.

    Notes
    -----
    Source: P. E. Kloeden and E. Platen, Numerical Solution of Stochastic Differential Equations
    (1992), section 10.2; weak order 1 for multiplicative noise, section 14.1.
    """

    code: ClassVar[int] = recursion.EULER_MARUYAMA
    name: ClassVar[str] = "Euler–Maruyama"


@dataclass(frozen=True)
class WeakSecondOrder:
    """Weak order 2 for noise that depends on the state in any way, without derivatives.

    A step in d dimensions evaluates the coefficients ``2 d + 4`` times, and twice where the tensor
    is constant.  It wants coefficients that are smooth, and a tensor of constant rank with a
    smooth Cholesky factor: where ``D`` loses rank on the way, jumps, or is clipped, the order falls
    to that of `EulerMaruyama`; also at reflecting walls.  The coefficients are evaluated some
    ``sqrt(h)`` around the path, also beyond walls.

    Notes
    -----
    The scheme of Milstein and Talay in the derivative-free form of A. Abdulle, G. Vilmart and
    K. C. Zygalakis, SIAM J. Sci. Comput. 35, A1792 (2013), with an independent sign for each pair
    of Wiener processes; its moments are those of Kloeden and Platen (1992), section 14.2.

    Examples
    --------
    Geometric Brownian motion, ``E x^2 = exp(5 t/4)``, hence 3.5 at the end:

    >>> import fokkerplanck as fpk, sympy as sp
    >>> x = sp.Symbol("x", real=True)
    >>> model = fpk.Diffusion((x,), [x / 2], [[x**2 / 8]])
    >>> run = dict(duration=1, step=0.25, paths=100_000, seed=1)
    >>> for scheme in (fpk.EulerMaruyama(), fpk.WeakSecondOrder()):
    ...     paths = fpk.simulate(model, (1.0,), scheme=scheme, **run)
    ...     print(abs((paths.values[-1] ** 2).mean() - 3.49) < 0.1)
    False
    True
    """

    code: ClassVar[int] = recursion.WEAK_SECOND_ORDER
    name: ClassVar[str] = "weak second order"


@dataclass(frozen=True)
class Tamed:
    """Euler–Maruyama for coefficients that grow faster than linearly, under which it explodes.

    Every step takes ``A / sqrt(1 + (h |A|/rho)^2)`` for the drift and
    ``D / sqrt(1 + (2 h tr D/rho^2)^2)`` for the tensor, with ``rho^2 = scale^2 + |x|^2``: its mean
    change and its standard deviation stay below ``rho``, and where both are small against it the
    coefficients change by ``O(h^2)``, less than the error of the scheme, whose weak order stays 1.

    Parameters
    ----------
    scale : float
        Size of typical states; closer to the origin a step is compared with this.

    Raises
    ------
    InvalidModel
        When the scale is not positive.

    Notes
    -----
    A variant of M. Hutzenthaler, A. Jentzen and P. E. Kloeden, Ann. Appl. Probab. 22, 1611 (2012),
    for the drift, and S. Sabanis, Ann. Appl. Probab. 26, 2083 (2016), for the noise; theirs divide
    by ``1 + h |A|`` and the like, which costs as much accuracy as the step itself, and depends on
    the unit of length.
    """

    scale: float = 1.0
    code: ClassVar[int] = recursion.TAMED
    name: ClassVar[str] = "tamed Euler–Maruyama"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise InvalidModel(f"the scale of Tamed is a positive number, not {self.scale!r}")


Scheme = EulerMaruyama | WeakSecondOrder | Tamed
