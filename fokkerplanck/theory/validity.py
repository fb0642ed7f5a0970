"""What becomes of a leading-order formula at the next order."""

from __future__ import annotations

from fokkerplanck.errors import InvalidModel

__all__ = ["corrected"]


def corrected(order: int, correction: float | None) -> float:
    """Factor ``1/(1 + c)`` of a rate at order 2, 1 at order 1.

    Raises
    ------
    InvalidModel
        When the order is neither, no correction is known, or it is not below 1 in size: then the
        expansion says nothing.
    """
    if order not in (1, 2):
        raise InvalidModel(f"order is 1 or 2, not {order!r}")
    if order == 1:
        return 1.0
    if correction is None:
        raise InvalidModel("the next order is known in detailed balance only; use order=1")
    if not abs(correction) < 1.0:
        raise InvalidModel(
            f"the next order changes the time by the factor {1 + correction:.3g}: the noise is too "
            "strong for an expansion; assemble the operator and use escape_rate"
        )
    return 1.0 / (1.0 + correction)
