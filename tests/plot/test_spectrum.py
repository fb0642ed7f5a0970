"""Rates on paper."""

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp

import fokkerplanck as fpk

x, y = sp.symbols("x y", real=True)


def test_rates_by_number_in_the_plane_and_between_regions() -> None:
    line = fpk.assemble(fpk.Diffusion((x,), [-4 * x * (x**2 - 1)], [[1]]), fpk.Grid(x=(-2, 2, 40)))
    _, (one, two, three) = plt.subplots(1, 3)
    spectrum = fpk.spectrum(line, 4)
    artist = spectrum.plot(ax=one)
    np.testing.assert_array_equal(artist.get_ydata(), spectrum.rates[1:])
    assert one.get_yscale() == "log"
    turning = fpk.Diffusion((x, y), [-x - 3 * y, 3 * x - y], sp.eye(2))
    complex_ = fpk.spectrum(fpk.assemble(turning, fpk.Grid(x=(-4, 4, 20), y=(-4, 4, 20))), 4)
    artist = complex_.plot(ax=two, color="k")
    np.testing.assert_array_equal(artist.get_ydata(), complex_.rates.imag)
    chain = fpk.rate_matrix(line, {"left": x < -0.7, "right": x > 0.7})
    image = chain.plot(ax=three)
    assert image.get_array().mask.tolist() == [[True, False], [False, True]]
    assert [label.get_text() for label in three.get_xticklabels()] == ["left", "right"]
    plt.close("all")
