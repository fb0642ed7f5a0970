"""W3 runs with the package alone, and its reference agrees with coarser elements."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import w3, w3_report
from benchmarks.w1_problem import IRREVERSIBLE, errors
from benchmarks.w1_reference import at_centres
from benchmarks.w3_reference import evolved, reference


def test_w3_converges_and_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(w3_report, "RESULTS", tmp_path)
    chosen = ["--methods", "fokkerplanck 0.1", "--cells", "32", "64", "--repeats", "1"]
    assert w3.main([*chosen, "--write"]) == 0
    coarse, fine = json.loads((tmp_path / "w3.json").read_text())["rows"]
    assert (coarse["cells"], fine["cells"]) == (32, 64)
    assert fine["l1"] < 0.4 * coarse["l1"] < 0.02
    assert fine["smallest"] > 0.0
    assert abs(fine["mass"]) < 1e-12
    assert "| fokkerplanck 0.1 | 64 |" in (tmp_path / "w3.md").read_text()
    assert "| fokkerplanck 0.1 | 64 |" in capsys.readouterr().out


def test_reference_agrees_with_coarser_elements() -> None:
    coarse = at_centres(evolved(IRREVERSIBLE, 8, 10, 16), 8, 10, 64)
    assert errors(coarse, reference).l1 < 1e-4


def test_cheapest_run_is_good_enough() -> None:
    rows = [
        {"method": "fokkerplanck 0.1", "l1": 1e-3, "cpu": 2.0},
        {"method": "fokkerplanck 0.3", "l1": 3e-3, "cpu": 1.0},
        {"method": "peer", "l1": 1e-9, "cpu": 0.1},
    ]
    assert w3_report.cheapest(rows, 2e-3) is rows[0]
    assert w3_report.cheapest(rows, 5e-3) is rows[1]
    assert w3_report.cheapest(rows, 1e-4) is None
    assert np.isfinite(reference(8)).all()
