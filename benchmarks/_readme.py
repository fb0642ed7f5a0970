"""One section a workload in `benchmarks/README.md`, made from its results."""

from __future__ import annotations

from pathlib import Path

__all__ = ["replace_section"]

README = Path(__file__).parent / "README.md"


def replace_section(name: str, text: str, readme: Path = README) -> None:
    """Put text between the lines ``<!-- name -->`` and ``<!-- end of name -->``.

    Raises
    ------
    ValueError
        When the file has no such lines.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, found, rest = readme.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{readme} has no lines {begin.strip()} and {end.strip()}")
    readme.write_text(f"{before}{begin}\n{text.strip()}\n\n{end}{after}")
