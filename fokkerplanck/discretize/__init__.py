"""From symbols to one sparse matrix: grids, coefficients, schemes and operators."""
