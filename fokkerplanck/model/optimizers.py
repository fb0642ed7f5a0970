"""Optimizers: a loss, a noise model and step sizes become a `Diffusion` or one exact step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from fokkerplanck.errors import InvalidModel
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.edge import warn_at_the_edge
from fokkerplanck.model.optimizer import Optimizer
from fokkerplanck.model.symbols import as_variables, match_names

__all__ = ["SGD", "SGLD", "Momentum"]


@dataclass(frozen=True)
class SGD(Optimizer):
    r"""Stochastic gradient descent ``theta' = theta - eta (grad L + xi)``, ``Cov(xi) = C``.

    Parameters
    ----------
    loss : expression
        In the variables; with `noise.PerSample` it may contain the data symbols and is averaged.
    variables : sequence of Symbol, length d
    noise : noise model
    learning_rate, batch_size : number or expression
    order : {1, 2}
        Order of the modified equation.  1: ``A = -grad L``, ``D = (eta/2) C``.  2: ``A = -grad(L +
        (eta/4) |grad L|^2)``, ``D = (eta/2) (1 + eta H/2) C (1 + eta H/2)``.

    Notes
    -----
    Time is ``t = eta * steps``.  The drift of order 2 is that of Li, Tai and E (JMLR 20, 2019,
    theorem 9).  They keep ``D = (eta/2) C``, which suffices for a weak error of order 2 at fixed
    times, but puts the stationary variance of a quadratic off by the factor ``(2 - eta H)/(2 + eta
    H)``, worse than order 1.  The next term of the same expansion, ``(eta^2/4)(H C + C H)``,
    completed to a square so that it stays positive, leaves ``1 - (eta H/2)^2``; the change of
    ``C`` along one step is neglected.

    Examples
    --------
    >>> import sympy as sp
    >>> from fokkerplanck.model import noise
    >>> x, y = sp.symbols("x y", real=True)
    >>> eta, c = sp.symbols("eta c", positive=True)
    >>> sgd = SGD(x**2 + y**2 / 2, (x, y), noise.Isotropic(c), learning_rate=eta, batch_size=8)
    >>> sgd.diffusion().drift
    Matrix([
    [-2*x],
    [  -y]])
    >>> sgd.diffusion().tensor
    Matrix([
    [c*eta/16,        0],
    [       0, c*eta/16]])
    """

    def diffusion(self) -> Diffusion:
        """The modified equation, in time ``t = eta * steps``.

        Warns
        -----
        EdgeOfStabilityWarning
            When the multiplier of a step, ``1 - eta L''``, is negative at a minimum of the loss, at
            which theta then alternates: from there on the variance of `StochasticRod` is nearer to
            the exact one, at either order (derivations/17_noise_at_the_edge.py).  Known for losses
            without free parameters or data that are quadratic, or have one variable and a gradient
            that is a polynomial or vanishes at 0; not looked for in others.
        """
        warn_at_the_edge(self)
        drift, tensor = self._modified()
        return Diffusion(self.variables, drift, tensor, **self._clip())


@dataclass(frozen=True)
class SGLD(Optimizer):
    """Stochastic gradient Langevin dynamics: SGD with noise of covariance ``2 eta T`` added.

    ``theta' = theta - eta (grad L + xi) + sqrt(2 eta T) zeta`` (Welling and Teh, ICML 2011).

    Order 1: ``A = -grad L``, ``D = (eta/2) C + T``.  Order 2: ``A = -grad(L + (eta/4) |grad L|^2
    - (eta/2) T tr H)``, ``D = (1 + eta H/2) ((eta/2) C + T) (1 + eta H/2)``.

    Parameters
    ----------
    temperature : number or expression
        ``T``, free of the variables for order 2; the others as for `SGD`.
    """

    temperature: Any = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._store_positive("temperature")
        self._store(temperature=match_names(self.temperature, self.variables))
        if self.order == 2 and self.temperature.free_symbols & set(self.variables):
            raise InvalidModel(
                "order 2 is derived for a temperature that does not depend on the variables"
            )

    @property
    def injected_covariance(self) -> sp.ImmutableMatrix:
        variance = 2 * self.learning_rate * self.temperature
        return sp.ImmutableMatrix(variance * sp.eye(len(self.variables)))

    def diffusion(self) -> Diffusion:
        """The modified equation, in time ``t = eta * steps``; warns as that of `SGD`."""
        warn_at_the_edge(self)
        drift, tensor = self._modified()
        clip = self._clip()
        clip["floor"] += self.temperature
        return Diffusion(self.variables, drift, tensor, **clip)


@dataclass(frozen=True)
class Momentum(Optimizer):
    r"""Heavy-ball SGD ``v' = beta v - (grad L + xi)``, ``theta' = theta + eta v'``.

    Parameters
    ----------
    momentum : number or expression
        ``beta`` in [0, 1); the others as for `SGD`.
    velocities : sequence of Symbol, optional
        Names of the velocities; ``v_x`` for a variable ``x`` by default.

    Notes
    -----
    In time ``t = eta * steps`` the phase-space diffusion is ``d theta = v dt``, ``dv = -(grad L +
    (1 - beta) v)/eta dt + sqrt(C/eta) dW``: degenerate, without noise on theta.  ``C`` isotropic
    gives ``p ~ exp(-2 (1 - beta)/c (L/eta + |v|^2/2))``.  Only order 1 is offered.
    """

    momentum: Any = field(kw_only=True)
    velocities: Any = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.order != 1:
            raise InvalidModel("the momentum equation is derived to order 1 only")
        beta = sp.sympify(self.momentum)
        if beta.is_number and not 0 <= beta < 1:
            raise InvalidModel(f"momentum must lie in [0, 1), not {beta}")
        velocities = self.velocities
        if velocities is None:
            velocities = [sp.Symbol(f"v_{v.name}", real=True) for v in self.variables]
        velocities = as_variables(velocities)
        if len(velocities) != len(self.variables):
            raise InvalidModel(
                f"{len(velocities)} velocities for {len(self.variables)} variables; give one each"
            )
        as_variables((*self.variables, *velocities))
        data = getattr(self.noise, "data", None)
        shared = {v.name for v in velocities} & {s.name for s in getattr(data, "symbols", ())}
        if shared:
            raise InvalidModel(f"{sorted(shared)} name both velocities and data; give velocities")
        self._store(momentum=beta, velocities=velocities)

    @property
    def state(self) -> tuple[sp.Symbol, ...]:
        """Variables, then velocities."""
        return (*self.variables, *self.velocities)

    def update(self, minibatch_gradient: sp.MatrixBase) -> sp.ImmutableMatrix:
        theta, velocity = sp.Matrix(self.variables), sp.Matrix(self.velocities)
        new_velocity = self.momentum * velocity - sp.Matrix(minibatch_gradient)
        return sp.ImmutableMatrix(
            sp.Matrix.vstack(theta + self.learning_rate * new_velocity, new_velocity)
        )

    def diffusion(self) -> Diffusion:
        """The phase-space diffusion of (theta, v), in time ``t = eta * steps``."""
        eta, velocity = self.learning_rate, sp.Matrix(self.velocities)
        friction = (1 - self.momentum) * velocity
        drift = sp.Matrix.vstack(velocity, -(sp.Matrix(self.gradient) + friction) / eta)
        if getattr(self.noise, "negative", "refuse") == "clip":
            raise InvalidModel("clipped noise is not offered in phase space; use SGD or Isotropic")
        zero = sp.zeros(len(velocity))
        tensor = sp.diag(zero, sp.Matrix(self.covariance) / (2 * eta))
        return Diffusion(self.state, drift, tensor)
