"""The README's example runs as it stands, and says what it claims to say."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

ROOT = Path(__file__).parent.parent


def test_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    mpl.use("Agg")
    with plt.ioff():
        exec(compile(example, "README.md", "exec"), {})
        plt.close("all")
    latex, numbers, rate = capsys.readouterr().out.strip().rsplit("\n", 2)
    assert latex.startswith(r"\begin{aligned}")
    solved, sampled = map(float, numbers.split())
    # The README says that they differ: SGD visits the sharp well more often than order 2 has it.
    assert 0 < solved < sampled < 0.1
    assert rate.startswith("Rate(value=0.00")
    assert (tmp_path / "potential.png").stat().st_size > 0


def test_lines_of_the_example() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    lines = [line for line in example.splitlines() if line.strip()]
    assert len(lines) - sum(line.startswith("import") for line in lines) <= 15
