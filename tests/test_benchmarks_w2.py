"""W2 runs with the package alone, and what is committed says what the package claims."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import eyring_kramers, w2, w2_report
from benchmarks.__main__ import workloads
from benchmarks.w2_method import Method

RESULTS = Path(w2_report.__file__).parent / "results"


def test_w2_is_measured_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(w2_report, "RESULTS", tmp_path)
    assert w2.main(["--cells", "128", "256", "--methods", "fokkerplanck", "its", "--write"]) == 0
    rows = json.loads((tmp_path / "w2.json").read_text())["rows"]
    ours = [row for row in rows if row["method"] == "fokkerplanck"]
    assert [row["barrier"] for row in ours] == 2 * list(w2.BARRIERS)
    for coarse, fine in zip(ours[:5], ours[5:], strict=True):
        assert 3.5 < coarse["error"] / fine["error"] < 4.5
        assert fine["mean_time"] > 0.0
        assert fine["warned"] is None
    # The same matrix with an ordinary LU: no digit is left, and nothing says so.
    lost = [row for row in rows if row["method"].startswith("its") and row["barrier"] >= 40]
    assert len(lost) == 4
    assert all(abs(row["error"]) > 0.9 and row["warned"] is None for row in lost)
    table = (tmp_path / "w2.md").read_text()
    assert "| fokkerplanck | 256 | -1.6e-04 |" in table
    assert table.endswith(capsys.readouterr().out.rstrip("\n")[-200:] + "\n")
    assert (tmp_path / "w2.csv").read_text().count("\n") == len(rows) + 1


def _fails(barrier: float, _: int) -> float:
    if barrier < 10:
        return -1.0
    if barrier < 40:
        return float("nan")
    raise ZeroDivisionError


def test_failures_of_peers_are_answers() -> None:
    method = Method("failing", "fokkerplanck", _fails)
    rows = [row for row in w2.measure([method], (64,)) if isinstance(row, w2.Row)]
    entries = [w2_report._entry(vars(row)) for row in rows]
    assert entries[0].endswith("< 0")
    assert entries[1] == "no number (NaN)"
    assert entries[3] == "no number (ZeroDivisionError)"
    absent = Method("absent", "no-such-distribution", _fails)
    assert list(w2.measure([absent], (64,))) == ["absent (no-such-distribution): not installed"]


def test_committed_table_of_w2() -> None:
    rows = json.loads((RESULTS / "w2.json").read_text())["rows"]
    finest = [row for row in rows if row["method"] == "fokkerplanck" and row["cells"] == 2048]
    assert len(finest) == len(w2.BARRIERS)
    assert all(abs(row["error"]) < 1e-4 and row["mean_time"] > 0 for row in finest)
    peers = {"fplanck", "FiPy, backward", "FiPy, forward", "scikit-fem P2", "deeptime"}
    high = [row for row in rows if row["method"] in peers and row["barrier"] >= 40]
    assert {row["method"] for row in high} == peers
    assert all(abs(row["error"]) > 0.9 for row in high)


def test_committed_table_of_eyring_kramers() -> None:
    """Slopes as the theory says; what its next order leaves falls as the square."""
    lines = (RESULTS / "eyring_kramers.md").read_text().splitlines()
    table = [line.strip("| ").split(" | ") for line in lines if line.startswith("| 1")]
    slopes = [[float(c) for c in row] for row in table if len(row) == 4]
    assert [row[0] for row in slopes] == list(eyring_kramers.ANISOTROPIES)
    for _, fitted, theory, _ in slopes:
        assert fitted == pytest.approx(theory, rel=0.06)
    for row in (row for row in table if len(row) == 7):
        anisotropy, barrier = float(row[0]), float(row[1])
        left = float(row[6].removesuffix("%")) / 100
        # At anisotropy 100 terms beyond the second order show below barrier 20.
        if barrier >= 20:
            assert abs(left) < {1: 0.7, 10: 1.0, 100: 1.5}[anisotropy] / barrier**2


def test_two_coefficients_are_fitted() -> None:
    rows = [eyring_kramers.Row(1, b, 0.0, 0.75 * (0.4 / b + 2 / b**2), 0.4 / b) for b in (10, 20)]
    assert eyring_kramers.fit(rows) == pytest.approx((0.4, 2.0))


def test_studies_are_run_by_name() -> None:
    assert {"w1", "w2", "eyring_kramers"} <= set(workloads())
    assert "w2_fipy" not in workloads()
