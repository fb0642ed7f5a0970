"""Monte Carlo: paths of diffusions and runs of optimizers, independent of every solver."""
