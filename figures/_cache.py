"""Computed arrays of a figure: cached by what they depend on, or kept with their provenance."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import fokkerplanck

Arrays = dict[str, np.ndarray]

FOLDER = Path(__file__).parent
CACHED = FOLDER.parent / ".cache" / "figures"
KEPT = FOLDER / "data"


def arrays(figure: ModuleType, cached: Path = CACHED, kept: Path = KEPT) -> tuple[Arrays, str]:
    """Return the arrays of a figure module, and a word on where they came from.

    `RECOMPUTE=1` in the environment computes them anew. Kept arrays of other parameters than the
    module's raise `ValueError`: to compute them silently could take hours.
    """
    name, parameters = figure.__name__.rpartition(".")[2], canonical(figure.PARAMETERS)
    source = source_hash(Path(str(figure.__file__)))
    keep = getattr(figure, "KEEP", False)
    key = hashlib.sha256((parameters + source).encode()).hexdigest()[:16]
    path = kept / f"{name}.npz" if keep else cached / f"{name}-{key}.npz"
    if path.exists() and os.environ.get("RECOMPUTE", "0") in ("", "0"):
        with np.load(path) as file:
            found = {entry: file[entry] for entry in file.files}
        provenance = json.loads(str(found.pop("provenance")))
        if canonical(provenance["parameters"]) != parameters:
            raise ValueError(
                f"{path} was computed with {provenance['parameters']}, but PARAMETERS of {name} "
                f"are {parameters}: renew it with `make figures FIGURE={name} RECOMPUTE=1`"
            )
        changed = "" if provenance["source"] == source else ", sources changed since"
        return found, f"kept data of {provenance['date']}{changed}" if keep else "cached"
    computed = {entry: np.asarray(a) for entry, a in figure.compute(**figure.PARAMETERS).items()}
    if objects := [entry for entry, array in computed.items() if array.dtype.hasobject]:
        raise TypeError(f"{name} computes arrays of Python objects, which are not kept: {objects}")
    provenance = {
        "parameters": json.loads(parameters),
        "seed": figure.PARAMETERS.get("seed"),
        "version": fokkerplanck.__version__,
        "source": source,
        "date": datetime.now(UTC).date().isoformat(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    for outdated in cached.glob(f"{name}-*.npz"):
        outdated.unlink(missing_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    with unfinished.open("wb") as file:
        np.savez_compressed(file, provenance=json.dumps(provenance), **computed)
    unfinished.replace(path)
    return computed, "computed and kept" if keep else "computed"


def canonical(parameters: dict[str, Any]) -> str:
    """Return parameters as JSON with sorted names; arrays and tuples as lists, floats exactly."""
    return json.dumps(parameters, sort_keys=True, default=lambda value: value.tolist())


def source_hash(figure: Path) -> str:
    """Return a hash of the code that arrays depend on: package, figure, helpers beside it."""
    package = sorted(Path(fokkerplanck.__file__).parent.rglob("*.py"))
    files = [*package, *sorted(figure.parent.glob("_*.py")), figure]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
