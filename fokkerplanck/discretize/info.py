"""The evidence that comes with every number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["Info"]


class Info(Mapping[str, Any]):
    """Read-only record of how a result was obtained; prints as one line an entry.

    Examples
    --------
    >>> info = Info(scheme="Selling", residual=2e-16)
    >>> info["scheme"]
    'Selling'
    >>> info.extended(seconds=1.5)
    Info(scheme='Selling', residual=2e-16, seconds=1.5)
    """

    __slots__ = ("_entries",)
    _entries: dict[str, Any]

    def __init__(self, **entries: Any) -> None:
        object.__setattr__(self, "_entries", dict(entries))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("an Info is read-only; use extended(...) for a new one")

    def __getitem__(self, key: str) -> Any:
        return self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (self._entries,))

    def __repr__(self) -> str:
        return f"Info({', '.join(f'{k}={v!r}' for k, v in self._entries.items())})"

    def __str__(self) -> str:
        return "\n".join(f"{key}: {value}" for key, value in self._entries.items())

    def extended(self, **entries: Any) -> Info:
        """A new record with entries added or replaced."""
        return Info(**{**self._entries, **entries})


def _rebuild(entries: dict[str, Any]) -> Info:
    return Info(**entries)
