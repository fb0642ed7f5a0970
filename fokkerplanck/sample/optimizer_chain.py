"""Discrete optimizers as compiled chains: Gaussian gradient noise, or real minibatches."""

from __future__ import annotations

from typing import Any

import sympy as sp

from fokkerplanck.discretize.kernels import Kernel, compile_kernel
from fokkerplanck.errors import InvalidModel, UnboundSymbol
from fokkerplanck.model.noise import PerSample
from fokkerplanck.model.optimizers import SGD, SGLD, Momentum
from fokkerplanck.model.samples import Dataset
from fokkerplanck.model.symbols import gradient, match_names
from fokkerplanck.sample.chain import Chain
from fokkerplanck.sample.crossing import compile_target
from fokkerplanck.sample.recursion import EULER_MARUYAMA, MINIBATCHES, Recursion
from fokkerplanck.sample.runs import lower_triangle
from fokkerplanck.sample.walls import find_walls

__all__ = ["chain_of_optimizer", "has_minibatches"]


def has_minibatches(optimizer: SGD | SGLD | Momentum) -> bool:
    """Whether every step draws rows of data."""
    return isinstance(getattr(optimizer.noise, "data", None), Dataset)


def chain_of_optimizer(optimizer: SGD | SGLD | Momentum, target: Any = None) -> Chain:
    """Compile an optimizer; runs stop after the first step that ends in the target, a relation.

    Raises
    ------
    UnboundSymbol, InvalidModel, InvalidRegion
    """
    region = None if target is None else compile_target(target, optimizer.state, None, None)
    compiled = _with_minibatches if has_minibatches(optimizer) else _with_gaussian_noise
    return compiled(optimizer, region)


def _names(optimizer: SGD | SGLD | Momentum) -> tuple[str, ...]:
    return tuple(v.name for v in optimizer.state)


def _with_gaussian_noise(optimizer: SGD | SGLD | Momentum, target: Kernel | None) -> Chain:
    """One step as an Euler–Maruyama step of length 1: its mean change and its covariance."""
    change = sp.Matrix(optimizer.step_mean) - sp.Matrix(optimizer.state)
    clip = getattr(optimizer.noise, "negative", "refuse") == "clip"
    floor = sp.S.Zero
    if clip:
        # The diffusion knows its floor in units of the tensor, D = Cov / (2 eta).
        floor = 2 * optimizer.learning_rate * optimizer.diffusion().floor
    kernel = compile_kernel(
        [*change, *lower_triangle(optimizer.step_covariance), floor], optimizer.state
    )
    return Chain(
        kernel,
        Recursion(EULER_MARUYAMA, clip=clip),
        find_walls(None, _names(optimizer)),
        rows=kernel.data.shape[0],
        smallest_block=32,
        patient=True,
        target=target,
    )


def _with_minibatches(optimizer: SGD | SGLD | Momentum, target: Kernel | None) -> Chain:
    """The step as averages over rows: compiled for the data, run on a batch of them."""
    noise = optimizer.noise
    assert isinstance(noise, PerSample)
    _require_same_fluctuations(optimizer, noise)
    size = optimizer.batch_size
    if not size.is_number:
        raise UnboundSymbol(f"a batch of {size} samples cannot be drawn; give a number first")
    injected = optimizer.injected_covariance
    kernel = compile_kernel([*optimizer.step_mean, *lower_triangle(injected)], optimizer.state)
    return Chain(
        kernel,
        Recursion(
            MINIBATCHES,
            batch_size=int(size),
            replacement=noise.replacement,
            noisy=not injected.is_zero_matrix,
        ),
        find_walls(None, _names(optimizer)),
        rows=int(size),
        smallest_block=1,
        patient=True,
        target=target,
    )


def _require_same_fluctuations(optimizer: SGD | SGLD | Momentum, noise: PerSample) -> None:
    """What the loss has beyond the sample loss must be the same for every sample."""
    variables, symbols = optimizer.variables, noise.data.symbols
    loss = match_names(optimizer.loss, (*symbols, *variables))
    sample_loss = match_names(noise.sample_loss, (*symbols, *variables))
    for entry in gradient(loss - sample_loss, variables):
        for simplify in (sp.expand, sp.simplify):
            entry = simplify(entry)
            if not entry.has(*symbols):
                break
        else:
            raise InvalidModel(
                f"the loss differs from the loss of one sample by a term with the gradient {entry},"
                " which depends on the data: give the same per-sample loss to both, "
                "plus terms free of data such as a weight decay"
            )
