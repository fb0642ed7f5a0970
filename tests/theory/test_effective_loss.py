"""The effective loss that is read off an optimizer is that of the valley it was made from."""

from __future__ import annotations

from typing import Any

import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.errors import InvalidModel
from fokkerplanck.systems.degenerate_valley import MinimalValley
from fokkerplanck.theory import effective_loss

x, y, u, v = sp.symbols("x y u v", real=True)
eta = sp.Symbol("eta", positive=True)


@pytest.mark.parametrize(
    "valley",
    [
        MinimalValley(),
        MinimalValley(curvature=1 + x**2, base_loss=sp.sin(x), kappa=7),
        MinimalValley(curvature=1 + u**2, noise=0.1, variables=(u, v)),
    ],
)
def test_valleys_come_back(valley: MinimalValley) -> None:
    found = effective_loss(valley.optimizer(eta))
    assert sp.simplify(found - valley.effective_loss()) == 0


def test_isotropic_noise_adds_nothing_but_the_loss_itself() -> None:
    loss = (2 + sp.tanh(x)) * y**2 / 2
    sgld = fpk.SGLD(
        loss, (x, y), fpk.noise.Isotropic(1), learning_rate=eta, temperature=sp.Rational(1, 5)
    )
    assert sp.simplify(effective_loss(sgld) - loss) == 0


@pytest.mark.parametrize(
    ("loss", "noise", "message"),
    [
        (y**2 * x**2 + y, sp.eye(2), "is not L0"),
        (y**4, sp.eye(2), "is not L0"),
        (sp.exp(y), sp.eye(2), "is not L0"),
        (y**2, sp.Matrix([[1, 1], [1, 2]]), "constant and diagonal"),
        (y**2, sp.diag(1, 1 + x**2), "constant and diagonal"),
        (y**2, sp.diag(0, 1), "no noise"),
    ],
)
def test_what_is_no_valley(loss: Any, noise: Any, message: str) -> None:
    model = fpk.SGD(loss, (x, y), fpk.noise.Covariance(noise), learning_rate=eta)
    with pytest.raises(InvalidModel, match=message):
        effective_loss(model)


def test_other_models_are_refused() -> None:
    with pytest.raises(InvalidModel, match="SGD or SGLD"):
        effective_loss(MinimalValley().diffusion())
