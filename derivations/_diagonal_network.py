"""What the derivations of the diagonal network share: symbols, the model, Itô's formula."""

from __future__ import annotations

import sympy as sp

from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.systems.diagonal_network import DiagonalNetwork

v, z, q, g = sp.symbols("v z q g", real=True)
r = sp.Symbol("r", positive=True)
a1, a3, b1 = sp.symbols("alpha1 alpha3 beta1", positive=True)
a2, b2 = sp.symbols("alpha2 beta2", real=True)
T, gamma = sp.symbols("T gamma", positive=True)
NETWORK = "fokkerplanck.systems.diagonal_network.DiagonalNetwork"
MOMENTS = {"alpha": (a1, a2, a3), "beta": (b1, b2), "temperature": T}


def network(depth: int, width: int = 1, decay: sp.Expr = gamma, sign: int = 1) -> DiagonalNetwork:
    return DiagonalNetwork(depth, width, **MOMENTS, weight_decay=decay, sign=sign)


def weights_diffusion(model: DiagonalNetwork) -> Diffusion:
    """The equation of the weights, written out."""
    theta, value = sp.Matrix(model.variables), model.output
    slope = sp.Matrix([sp.diff(value, u) for u in theta])
    strength = a1 * value**2 - 2 * a2 * value + a3
    drift = -2 * (b1 * value - b2) * slope - 2 * model.weight_decay * theta
    return Diffusion(list(theta), drift, 2 * T * strength * slope * slope.T)


def ito(function: sp.Expr, model: Diffusion) -> sp.Expr:
    """Drift of a function of the variables."""
    slope = sp.Matrix([function]).jacobian(model.variables)
    bend = (model.tensor * sp.hessian(function, model.variables)).trace()
    return (slope * model.drift)[0] + bend
