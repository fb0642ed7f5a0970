"""Kept arrays are what their modules compute today: a random slice is computed anew."""

from __future__ import annotations

import importlib
import json
import pkgutil
from types import ModuleType

import numpy as np
import pytest

import figures
from figures._cache import KEPT, canonical


def _kept() -> list[ModuleType]:
    names = [m.name for m in pkgutil.iter_modules(figures.__path__) if not m.name.startswith("_")]
    modules = [importlib.import_module(f"figures.{name}") for name in names]
    return [module for module in modules if getattr(module, "KEEP", False)]


KEPT_FIGURES = _kept()


@pytest.mark.parametrize("module", KEPT_FIGURES, ids=lambda m: m.__name__)
def test_kept_arrays_carry_the_parameters_of_their_module(module: ModuleType) -> None:
    with np.load(KEPT / f"{module.__name__.rpartition('.')[2]}.npz") as file:
        provenance = json.loads(str(file["provenance"]))
        assert canonical(provenance["parameters"]) == canonical(module.PARAMETERS)
        assert set(provenance) >= {"seed", "version", "date"}


@pytest.mark.slow
@pytest.mark.parametrize("module", KEPT_FIGURES, ids=lambda m: m.__name__)
def test_random_slice_of_kept_arrays(module: ModuleType) -> None:
    for needed in getattr(module, "NEEDS", ()):
        pytest.importorskip(needed)
    # A fresh slice on every run: in time every part is checked.
    seed = np.random.SeedSequence().entropy
    name, place, value = module.spot_check(np.random.default_rng(seed))
    with np.load(KEPT / f"{module.__name__.rpartition('.')[2]}.npz") as file:
        kept = file[name][place]
    # The same seed draws the same runs; solvers may differ by rounding between machines.
    scale = np.abs(kept).max()
    np.testing.assert_allclose(value, kept, rtol=1e-6, atol=1e-9 * scale, err_msg=f"seed {seed}")
