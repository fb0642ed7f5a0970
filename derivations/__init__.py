"""The derivations, one numbered script each: `python -m derivations [NUMBER ...]` runs them.

A derivation is a plain script in percent format (`# %%` opens a cell; editors and jupytext show
it as a notebook). Its `derive()` works a formula out in SymPy, asserts every identity on the way,
compares with the package's own function, and returns a list of `Statement`.
"""
