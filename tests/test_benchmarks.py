"""W1 runs with the package alone, and its yardsticks measure what they should."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks import w1, w1_report
from benchmarks._readme import replace_section
from benchmarks.w1_method import Method
from benchmarks.w1_problem import IRREVERSIBLE, ISOTROPIC, REVERSIBLE, Problem, X, Y, errors
from benchmarks.w1_reference import at_centres, nodal_density, reference


def test_w1_converges_and_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- w1 -->\nold\n<!-- end of w1 -->\nafter\n")
    monkeypatch.setattr(w1_report, "RESULTS", tmp_path)
    monkeypatch.setattr(w1_report, "replace_section", partial(replace_section, readme=readme))
    ours = ["fokkerplanck default", "fokkerplanck Selling + SparseLU"]
    chosen = ["--problems", "irreversible", "--methods", *ours, "--cells", "32", "64"]
    assert w1.main([*chosen, "--repeats", "1", "--no-cold", "--write"]) == 0
    rows = json.loads((tmp_path / "w1.json").read_text())["irreversible"]["rows"]
    by_method = {name: [r for r in rows if r["method"] == name] for name in ours}
    for coarse, fine in by_method.values():
        assert (coarse["cells"], fine["cells"]) == (32, 64)
        assert fine["seconds"] > 0.0
        assert fine["l1"] < 0.4 * coarse["l1"] < 0.02
        assert fine["smallest"] > 0.0
    default, direct = (by_method[name][1] for name in ours)
    assert default["l1"] == pytest.approx(direct["l1"], rel=1e-6)
    table = (tmp_path / "w1.md").read_text()
    assert table.endswith(capsys.readouterr().out.rstrip("\n")[-200:] + "\n")
    assert "| fokkerplanck default | 64 |" in table
    assert readme.read_text().startswith("before\n<!-- w1 -->\n\n### At equal error")
    assert "old" not in readme.read_text()


def test_peer_that_is_not_installed_is_named() -> None:
    absent = Method("absent", "no-such-distribution", lambda *_: pytest.fail("was called"))
    assert list(w1.measure([absent], ISOTROPIC, [16], 1)) == [
        "isotropic: absent (no-such-distribution): not installed"
    ]


@pytest.mark.parametrize("problem", [REVERSIBLE, IRREVERSIBLE, ISOTROPIC])
def test_drift_in_numbers_is_the_symbolic_one(problem: Problem) -> None:
    drift, tensor = problem.symbolic
    here = {X: 0.7, Y: -1.1}
    np.testing.assert_allclose(
        problem.drift(np.array(0.7), np.array(-1.1)), [float(a.subs(here)) for a in drift]
    )
    np.testing.assert_allclose(problem.tensor, np.array(tensor, dtype=float))


@pytest.mark.parametrize("problem", [REVERSIBLE, IRREVERSIBLE])
def test_reference_agrees_with_coarser_elements(problem: Problem) -> None:
    coarse = at_centres(nodal_density(problem, 9, 14), 9, 14, 64)
    assert errors(coarse, partial(reference, problem)).l1 < 1e-5


def test_errors_of_a_known_density() -> None:
    exact = np.full((2, 2), 1 / 4.4**2)
    shifted = 2 * exact * np.array([[1.5, 0.5], [2.5, -0.5]])
    found = errors(shifted, lambda _: exact)
    assert found.l1 == pytest.approx((0.5 + 0.5 + 1.5 + 1.5) / 4)
    assert found.negative_mass == pytest.approx(0.5 / 4)
    assert found.mass == pytest.approx(1.0)


def test_time_at_equal_error_follows_the_powers() -> None:
    rows = [{"cells": n, "l1": 8.0 / n**2, "cpu": 1e-6 * n**2.5} for n in (64, 256)]
    found = w1_report.at_equal_error(rows, 8.0 / 100**2)
    assert found is not None
    assert (found.cells, found.seconds) == pytest.approx((100, 0.1))
    assert not found.bound
    assert w1_report.at_equal_error(rows, 1.0) == w1_report.Equal(1e-6 * 64**2.5, 64, True)
    assert w1_report.at_equal_error(rows, 1e-9) is None


def test_section_without_its_lines_is_refused(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("<!-- w1 -->\n")
    with pytest.raises(ValueError, match="end of w1"):
        replace_section("w1", "text", readme)
