"""Tensors as sums of nonnegative weights on integer offsets."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fokkerplanck.discretize.selling import coupled_axes, decompose
from fokkerplanck.errors import UnsupportedTensor

Array = NDArray[np.float64]


def random_tensors(size: int, anisotropy: float, count: int = 400, seed: int = 0) -> Array:
    """Random orientations, strongest over weakest eigenvalue as given, unequal lengths of cells."""
    rng = np.random.default_rng(seed)
    frames = np.linalg.qr(rng.normal(size=(count, size, size)))[0]
    values = anisotropy ** -rng.random((count, size))
    values[:, 0], values[:, 1] = 1.0, 1.0 / anisotropy
    tensors = (frames * values[:, np.newaxis]) @ np.swapaxes(frames, 1, 2)
    lengths = np.exp(0.5 * rng.normal(size=(count, size)))
    scaled = tensors * lengths[:, :, np.newaxis] * lengths[:, np.newaxis]
    return (scaled + np.swapaxes(scaled, 1, 2)) / 2


def rebuilt(offsets: NDArray[np.int16], weights: Array) -> Array:
    return np.einsum("nk,nka,nkb->nab", weights, offsets.astype(float), offsets.astype(float))


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("anisotropy", [1.0, 10.0, 1e2, 1e4])
def test_weights_are_nonnegative_and_sum_to_the_tensor(size: int, anisotropy: float) -> None:
    tensors = random_tensors(size, anisotropy)
    offsets, weights, shifts = decompose(tensors, reach=1000)
    assert weights.min() >= 0
    assert not shifts.any()
    # Rounding of products of offsets that reach as far as the root of the anisotropy.
    error = np.abs(rebuilt(offsets, weights) - tensors).max(axis=(1, 2))
    assert (error / np.trace(tensors, axis1=1, axis2=2)).max() < 1e-15 * (10 + anisotropy)
    # Primitive vectors: no offset jumps over a lattice point on its way.
    assert (np.gcd.reduce(offsets[weights > 0], axis=1) == 1).all()


@pytest.mark.parametrize("size", [2, 3])
def test_too_long_offsets_cost_the_smallest_shift_that_avoids_them(size: int) -> None:
    tensors = random_tensors(size, 1e6)
    offsets, weights, shifts = decompose(tensors, reach=5)
    assert np.abs(offsets[weights > 0]).max() <= 5
    assert (shifts > 0).mean() > 0.9
    shifted = tensors + shifts[:, np.newaxis, np.newaxis] * np.eye(size)
    np.testing.assert_allclose(rebuilt(offsets, weights), shifted, atol=1e-12)
    # Half the shift does not suffice: steps grow by less than that.
    cells = shifts > 0
    half = tensors[cells] + 0.5 * shifts[cells, np.newaxis, np.newaxis] * np.eye(size)
    _, _, more = decompose(half, reach=5)
    assert (more > 0).mean() > 0.95


@pytest.mark.parametrize("size", [2, 3])
def test_order_of_the_cells_does_not_matter(size: int) -> None:
    """Each cell starts from the superbase of the one before; the result is its own."""
    tensors = random_tensors(size, 300.0)
    _, weights, _ = decompose(tensors, reach=1000)
    _, reverse, _ = decompose(tensors[::-1].copy(), reach=1000)
    np.testing.assert_allclose(np.sort(weights), np.sort(reverse[::-1]), atol=1e-13)


def test_singular_and_diagonal_tensors() -> None:
    ones = np.array([[[1.0, 2.0], [2.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]], [[1.0, 0], [0, 1e-30]]])
    offsets, weights, shifts = decompose(ones, reach=8)
    assert not shifts.any()
    np.testing.assert_allclose(rebuilt(offsets, weights), ones, rtol=1e-15)
    assert sorted(weights[0]) == [0.0, 0.0, 1.0]
    assert (abs(offsets[0, np.argmax(weights[0])]) == [1, 2]).all()


def test_axes_are_decomposed_in_the_groups_that_the_tensor_couples() -> None:
    tensor = np.diag([1.0, 2.0, 3.0, 4.0])[np.newaxis].copy()
    tensor[0, 0, 2] = tensor[0, 2, 0] = 1.2
    assert coupled_axes(tensor) == [[0, 2], [1], [3]]
    offsets, weights, _ = decompose(tensor, reach=4)
    assert weights.shape == (1, 5)
    np.testing.assert_allclose(rebuilt(offsets, weights), tensor, atol=1e-15)
    chain = tensor.copy()
    chain[0, 1, 2] = chain[0, 2, 1] = chain[0, 3, 1] = chain[0, 1, 3] = 0.1
    with pytest.raises(UnsupportedTensor, match="couples 4 axes"):
        decompose(chain, reach=4)
