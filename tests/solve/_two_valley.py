"""The two valleys at a fixed height: two parabolas that meet in a kink, in their own units."""

from __future__ import annotations

import numpy as np
import sympy as sp

import fokkerplanck as fpk

x = sp.Symbol("x", real=True)


def valleys(height: float, noise: float, eta: float) -> tuple[fpk.SGD, fpk.Panels, float, float]:
    """SGD with noise ``2 sigma H``, ``eta sigma = noise``; panels; the flat and the sharp floor."""
    ratios = (0.8, 0.65)
    g = [2 * a * height / (height + 30) for a in ratios]
    f = [a**2 * (height + 20) ** 2 / (height + 30) ** 2 for a in ratios]
    flat, sharp = x * (x - g[0]) / f[0], x * (x + g[1]) / f[1]
    loss = sp.Piecewise((flat, x >= 0), (sharp, True))
    sgd = fpk.SGD(loss, (x,), fpk.noise.Hessian(2 * noise / eta), learning_rate=eta)
    reach = 7.2 * 1.05 * np.sqrt(noise / (1 - eta / f[1]))
    panels = fpk.Panels(x=(-g[1] / 2 - reach, g[0] / 2 + reach))
    return sgd, panels, g[0] / 2, -g[1] / 2
