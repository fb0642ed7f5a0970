"""W4 runs with the package alone, all its methods take the same steps, and its table is written."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sympy as sp

from benchmarks import w4, w4_arrays, w4_fokkerplanck, w4_report
from benchmarks.w4_method import Method
from benchmarks.w4_problem import COLUMNS, DRIFT, X, Y, amplitude, drift

HERE = [
    replace(method, paths=4096, steps=60)
    for method in (*w4_fokkerplanck.METHODS, *w4_arrays.METHODS)
]


def test_methods_sample_the_same_law() -> None:
    ends = {method.name: method.run(4096, 60, 1) for method in HERE}
    moments = {name: (found.mean(0), found.std(0)) for name, found in ends.items() if found.size}
    assert len(moments) == 4
    mean, spread = moments["numpy"]
    for other, width in moments.values():
        assert (np.abs(other - mean) < 4 * np.hypot(spread, width) / math.sqrt(4096)).all()
        assert (np.abs(width / spread - 1) < 4 / math.sqrt(4096)).all()


def test_formulas_and_numbers_agree() -> None:
    here = {X: 0.7, Y: -1.1}
    exact = [float(entry.subs(here)) for entry in DRIFT]
    np.testing.assert_allclose(drift(np.array(0.7), np.array(-1.1)), exact)
    matrix = np.array(sp.Matrix(COLUMNS).subs(here).tolist(), float)
    np.testing.assert_allclose(
        amplitude(np.array(0.7), np.array(-1.1)), matrix[[0, 1, 1], [0, 0, 1]]
    )


def test_table_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = Method("absent", "no-such-distribution", lambda *_: pytest.fail("ran"), 1, 1)
    monkeypatch.setattr(w4, "METHODS", (*HERE, absent))
    monkeypatch.setattr(w4_report, "RESULTS", tmp_path / "results")
    assert w4.main(["--repeats", "1", "--write"]) == 0
    printed = capsys.readouterr().out
    assert "absent (no-such-distribution): not installed" in printed
    assert "of the generator's ceiling" in printed
    assert (tmp_path / "results/w4.md").read_text().endswith(printed.rstrip("\n") + "\n")
    rows = json.loads((tmp_path / "results/w4.json").read_text())["rows"]
    assert {(row["method"], row["threads"]) for row in rows} >= {
        ("fokkerplanck EulerMaruyama", 2),
        ("numpy", 1),
    }
    assert all(row["rate"] > 0 for row in rows)
