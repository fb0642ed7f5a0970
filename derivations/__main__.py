"""Run all derivations, or those with the given numbers; print one line for each statement."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from derivations._report import FOLDER, load, scripts


def main(numbers: Sequence[str], folder: Path = FOLDER) -> int:
    """Print what each derivation states; return 1 if one of them raised, else 0."""
    failed = []
    for path in scripts(numbers, folder):
        print(path.stem, flush=True)
        try:
            statements = load(path).derive()
        except Exception:
            failed.append(path.stem)
            traceback.print_exc()
            print("  FAILED", flush=True)
        else:
            for statement in statements:
                print(f"  {statement}", flush=True)
    if failed:
        print(f"{len(failed)} failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
