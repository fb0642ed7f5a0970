"""W4 with sdeint, torchsde and diffrax, each imported when it is first asked for."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.w4_method import Method
from benchmarks.w4_problem import START, STEP

__all__ = ["METHODS"]

Array = NDArray[np.float64]


def _sdeint(paths: int, steps: int, threads: int) -> Array:
    import sdeint

    def f(v: Array, t: float) -> Array:
        x, y = v
        return np.array([x - x**3 - 0.5 * y, -y + 0.5 * x])

    def g(v: Array, t: float) -> Array:
        x, y = v
        return np.array([[0.5 + 0.1 * x**2, 0.0], [0.2 + 0.1 * y, 0.4 + 0.05 * x**2]])

    rng = np.random.default_rng(1)
    times = STEP * np.arange(steps + 1)
    ends = [sdeint.itoEuler(f, g, np.array(START), times, None, rng)[-1] for _ in range(paths)]
    return np.array(ends)


@cache
def _torch_model() -> Any:
    import torch

    class Well(torch.nn.Module):
        noise_type, sde_type = "general", "ito"

        def f(self, t: Any, v: Any) -> Any:
            x, y = v[:, 0], v[:, 1]
            return torch.stack([x - x**3 - 0.5 * y, -y + 0.5 * x], dim=1)

        def g(self, t: Any, v: Any) -> Any:
            x, y = v[:, 0], v[:, 1]
            first = torch.stack([0.5 + 0.1 * x**2, torch.zeros_like(x)], dim=1)
            return torch.stack([first, torch.stack([0.2 + 0.1 * y, 0.4 + 0.05 * x**2], 1)], dim=1)

    return Well()


def _torchsde(paths: int, steps: int, threads: int) -> Array:
    import torch
    import torchsde

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    start = torch.tensor([START], dtype=torch.float64).repeat(paths, 1)
    times = torch.tensor([0.0, steps * STEP], dtype=torch.float64)
    with torch.no_grad():
        ends = torchsde.sdeint(_torch_model(), start, times, dt=STEP, method="euler")
    return np.asarray(ends[-1].numpy())


@cache
def _diffrax_solver(steps: int) -> Any:
    import diffrax
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def f(t: Any, v: Any, args: Any) -> Any:
        x, y = v
        return jnp.stack([x - x**3 - 0.5 * y, -y + 0.5 * x])

    def g(t: Any, v: Any, args: Any) -> Any:
        x, y = v
        first = jnp.stack([0.5 + 0.1 * x**2, jnp.zeros_like(x)])
        return jnp.stack([first, jnp.stack([0.2 + 0.1 * y, 0.4 + 0.05 * x**2])])

    def one(key: Any) -> Any:
        noise = diffrax.UnsafeBrownianPath(shape=(2,), key=key)
        terms = diffrax.MultiTerm(diffrax.ODETerm(f), diffrax.ControlTerm(g, noise))
        return diffrax.diffeqsolve(
            terms,
            diffrax.Euler(),
            0.0,
            steps * STEP,
            STEP,
            jnp.array(START),
            max_steps=steps + 1,
            adjoint=diffrax.ForwardMode(),
        ).ys[-1]

    return jax.jit(jax.vmap(one))


def _diffrax(paths: int, steps: int, threads: int) -> Array:
    solver = _diffrax_solver(steps)
    import jax

    return np.asarray(solver(jax.random.split(jax.random.key(1), paths)))


METHODS = (
    Method("sdeint itoEuler", "sdeint", _sdeint, paths=40, steps=200, note="one path at a time"),
    Method(
        "torchsde euler",
        "torchsde",
        _torchsde,
        paths=20_000,
        steps=100,
        threads=(1, 2),
        note="general noise, float64, no gradients",
    ),
    Method(
        "diffrax Euler",
        "diffrax",
        _diffrax,
        paths=20_000,
        steps=200,
        note="UnsafeBrownianPath, vmap, jit, float64, compiled beforehand; XLA chooses its threads",
    ),
)
