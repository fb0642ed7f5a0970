"""From an operator to results."""
