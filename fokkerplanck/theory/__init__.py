"""Closed and asymptotic formulas that return the same results as the solvers, with their validity.

Every formula is proved in `derivations/`; each result's `info` says how far its assumptions hold.
"""

from fokkerplanck.theory.density_diffusion import density_diffusion_rate
from fokkerplanck.theory.effective_loss import effective_loss
from fokkerplanck.theory.eyring_kramers import eyring_kramers_rate
from fokkerplanck.theory.kramers import kramers_rate
from fokkerplanck.theory.lyapunov import gaussian_approximation

__all__ = [
    "density_diffusion_rate",
    "effective_loss",
    "eyring_kramers_rate",
    "gaussian_approximation",
    "kramers_rate",
]
