"""Seconds to assemble 512 x 512 cells from symbols, full tensor that rotates and varies.

    python -m benchmarks.schemes_assembly

The first line is the first call of the process: it loads (or, without a cache, compiles) the
kernels.  The others take new numbers each, so that nothing of the symbols is known from before.
"""

from __future__ import annotations

import time

import sympy as sp

import fokkerplanck as fpk

X, Y = sp.symbols("x y", real=True)


def model(strength: float) -> fpk.Diffusion:
    """Itô form of a double well in balance with rotating noise."""
    angle = strength * sp.sin(X) + Y / 2
    frame = sp.Matrix([[sp.cos(angle), -sp.sin(angle)], [sp.sin(angle), sp.cos(angle)]])
    tensor = frame * sp.diag(1 + X**2 / 4, sp.Rational(1, 10)) * frame.T
    potential = 2 * ((X**2 - 1) ** 2 + Y**2)
    slope = sp.Matrix([sp.diff(potential, v) for v in (X, Y)])
    isothermal = fpk.Diffusion.from_isothermal((X, Y), -tensor * slope, tensor)
    return fpk.Diffusion((X, Y), isothermal.drift, tensor)


def seconds(strength: float, cells: int) -> float:
    diffusion = model(strength)
    grid = fpk.Grid(x=(-2.2, 2.2, cells), y=(-2.2, 2.2, cells))
    began = time.perf_counter()
    operator = fpk.assemble(diffusion, grid)
    elapsed = time.perf_counter() - began
    assert operator.info["drift"] == "potential differences"
    return elapsed


def main() -> None:
    print(f"cold, 16 x 16: {seconds(0.5, 16):.2f} s")
    for repeat in range(5):
        print(f"warm, 512 x 512: {seconds(0.6 + 0.01 * repeat, 512):.2f} s", flush=True)


if __name__ == "__main__":
    main()
