"""Symbols in, symbols out: diffusions, noise models and optimizers."""
