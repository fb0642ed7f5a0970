"""From operators to results: densities, evolutions, spectra and passage times."""
