"""What a derivation states, and how derivations are found and loaded."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Statement:
    """A formula, where it is used, and whether the derivation proved it.

    Parameters
    ----------
    formula : str
        The formula in plain text, on one line.
    used_by : str
        Dotted name of the object of the package that uses it, or a file of the documentation.
    verified : bool
        True when `derive` proved it; an identity that fails must raise, never end up here.
    note : str
        Why it is not verified, or what the proof leaves out.
    """

    formula: str
    used_by: str
    verified: bool
    note: str = ""

    def __str__(self) -> str:
        remark = f" ({self.note})" if self.note else ""
        verdict = "verified" if self.verified else "NOT VERIFIED"
        return f"{self.formula}  [{self.used_by}]  {verdict}{remark}"


def scripts(numbers: Sequence[str] = (), folder: Path = FOLDER) -> list[Path]:
    """Return the derivations with these numbers, in order; all of them when none is given."""
    found = sorted(path for path in folder.glob("*.py") if re.match(r"\d+_", path.name))
    by_number = {int(path.name.partition("_")[0]): path for path in found}
    if len(by_number) < len(found):
        raise ValueError(f"two derivations in {folder} share a number: {[p.name for p in found]}")
    wanted = [int(number) for number in numbers] or list(by_number)
    if missing := set(wanted) - set(by_number):
        raise ValueError(f"no derivation has number {sorted(missing)}; there are {list(by_number)}")
    return [by_number[number] for number in wanted]


def load(path: Path) -> ModuleType:
    """Import a script, whose name starts with a digit and so cannot stand in an import."""
    name = f"derivations.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look a module up by its name
    spec.loader.exec_module(module)
    return module
