"""Diffusions as compiled chains: coefficients, scheme, walls and targets."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import sympy as sp

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.kernels import compile_kernel
from fokkerplanck.errors import FokkerPlanckError, FokkerPlanckWarning, InvalidModel
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.sample.chain import Chain
from fokkerplanck.sample.crossing import compile_target
from fokkerplanck.sample.recursion import Recursion
from fokkerplanck.sample.runs import lower_triangle
from fokkerplanck.sample.schemes import Scheme, Tamed
from fokkerplanck.sample.walls import absorbing_region, find_walls

__all__ = ["chain_of_diffusion", "steps_of"]


def chain_of_diffusion(
    diffusion: Diffusion, scheme: Scheme, step: float, walls: Grid | None, target: Any = None
) -> Chain:
    """Compile a diffusion; paths stop in the target, a relation, and beyond absorbing walls.

    Raises
    ------
    UnboundSymbol, InvalidModel, GridMismatch, InvalidRegion
    FokkerPlanckError
        When the scheme is none.
    """
    if not isinstance(scheme, Scheme):
        raise FokkerPlanckError(
            "a scheme is EulerMaruyama(), WeakSecondOrder() or Tamed(), the step is an argument of "
            f"its own; not {scheme!r}"
        )
    _check_convention(diffusion)
    tensor = diffusion.tensor
    kernel = compile_kernel(
        [*diffusion.drift, *lower_triangle(tensor), diffusion.floor],
        diffusion.variables,
        time=diffusion.time,
    )
    clip = diffusion.negative == "clip"
    recursion = Recursion(
        scheme.code,
        time_step=step,
        drift_factor=step,
        noise_factor=2 * step,
        clip=clip,
        constant=not (tensor.free_symbols or clip),
        scale=float(scheme.scale) if isinstance(scheme, Tamed) else 1.0,
    )
    beyond = [*absorbing_region(walls), *([] if target is None else [target])]
    region = None
    if beyond:
        region = compile_target(sp.Or(*beyond), diffusion.variables, tensor, diffusion.time)
    return Chain(
        kernel,
        recursion,
        find_walls(walls, tuple(v.name for v in diffusion.variables)),
        rows=kernel.data.shape[0],
        smallest_block=32,
        patient=False,
        target=region,
    )


def steps_of(duration: float, step: float) -> tuple[int, float]:
    """Number of steps, and the step that makes them add up to the duration.

    Raises
    ------
    FokkerPlanckError
        When one of them is not positive.
    """
    whole, part = float(duration), float(step)
    if not (0 < part < np.inf and 0 < whole < np.inf):
        raise FokkerPlanckError(
            f"duration and step are positive numbers, not {duration!r} and {step!r}"
        )
    # 0.3 / 0.1 is above 3 by rounding: a step more than asked for by 1e-9 of itself is no harm.
    steps = max(1, int(np.ceil(whole / part * (1 - 1e-9))))
    return steps, whole / steps


def _check_convention(diffusion: Diffusion) -> None:
    """Refuse or warn where there is no Itô drift, or not everywhere."""
    if diffusion.negative == "clip" and diffusion.convention != "ito":
        raise InvalidModel(
            f"the tensor of this {diffusion.convention} diffusion is clipped numerically: its Itô "
            "drift has no symbol; give the Itô drift"
        )
    jumping = diffusion.tensor.atoms(sp.Piecewise, sp.Heaviside, sp.sign, sp.floor, sp.ceiling)
    if diffusion.convention == "ito" or not jumping:
        return
    warnings.warn(
        f"the tensor contains {next(iter(jumping))}: where it jumps, the Itô drift of a "
        f"{diffusion.convention} diffusion has a delta function, which sampled paths miss; solve "
        "on a grid there, or smooth the jump",
        FokkerPlanckWarning,
        stacklevel=4,
    )
