"""Systems from the literature, as models with their closed forms."""

from fokkerplanck.systems import (
    degenerate_valley,
    density_diffusion,
    diagonal_network,
    edge_of_stability,
    edge_of_stability_noise,
    random_shift_valley,
    smooth_wells,
    styblinski_tang,
    tabular,
    two_parabolas,
    two_valley,
)

__all__ = [
    "degenerate_valley",
    "density_diffusion",
    "diagonal_network",
    "edge_of_stability",
    "edge_of_stability_noise",
    "random_shift_valley",
    "smooth_wells",
    "styblinski_tang",
    "tabular",
    "two_parabolas",
    "two_valley",
]
