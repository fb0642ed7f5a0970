"""What the figure of escape rates claims, on its kept data and the committed table."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from figures import escape_rates
from figures._cache import arrays

P = escape_rates.PARAMETERS


def test_excess_tends_to_the_theory() -> None:
    kept, _ = arrays(escape_rates)
    ratio = kept["excess"] / kept["theory"]
    assert ratio.shape == (len(P["anisotropies"]), len(P["barriers"]))
    # From above, within a few per cent at the highest barrier.
    assert np.all(np.abs(ratio[:, -1] - 1) < 0.04)
    assert np.all(ratio[:, 0] > ratio[:, -2])


def test_errors_are_those_of_the_committed_table() -> None:
    kept, _ = arrays(escape_rates)
    table = escape_rates._table(P["methods"])
    np.testing.assert_allclose(kept["errors"], table["errors"])
    assert kept["errors"][0].max() < 1e-4
    assert kept["errors"][1:, kept["barriers"] >= 40].min() > 0.9


def test_both_panels_name_their_axes() -> None:
    kept, _ = arrays(escape_rates)
    figure = escape_rates.draw(kept)
    for axes in figure.axes:
        assert axes.get_xlabel()
        assert axes.get_ylabel()
        assert axes.get_legend() is not None
    plt.close(figure)
