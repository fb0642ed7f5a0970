"""From results to physics: effective potentials, currents, entropy production."""
