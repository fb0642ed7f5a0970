"""Systems from the literature, as models with their closed forms."""

from fokkerplanck.systems import (
    degenerate_valley,
    density_diffusion,
    diagonal_network,
    edge_of_stability,
    random_shift_valley,
    two_parabolas,
    two_valley,
)

__all__ = [
    "degenerate_valley",
    "density_diffusion",
    "diagonal_network",
    "edge_of_stability",
    "random_shift_valley",
    "two_parabolas",
    "two_valley",
]
