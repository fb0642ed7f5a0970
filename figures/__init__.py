"""The figures, one file each: `python -m figures [NAME ...]` draws all or some.

A figure is a module `figures/NAME.py` with

- `PARAMETERS`, a dict of what `compute` takes (numbers, words, sequences of them; the seed too),
- `compute(**parameters)`, which returns the arrays that the figure shows, by name,
- `draw(arrays)`, which returns a Matplotlib `Figure` and computes nothing,
- `KEEP = True` where `compute` takes more than about two minutes: its arrays are then committed
  as `figures/data/NAME.npz` and the figure is drawn from them; `RECOMPUTE=1` renews them.

Modules whose names start with an underscore are no figures.
"""
