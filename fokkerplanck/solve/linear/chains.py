"""Checks of Markov generators: are they any, and how many closed classes do they have."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from fokkerplanck.errors import FokkerPlanckError

__all__ = ["check_rates", "describe_closed_classes"]


def check_rates(matrix: sparse.csc_array) -> None:
    """Refuse rates that are negative or not finite; the diagonal may be anything."""
    suspicious = np.flatnonzero(~((matrix.data >= 0.0) & np.isfinite(matrix.data)))
    source = np.searchsorted(matrix.indptr, suspicious, side="right") - 1
    target = matrix.indices[suspicious]
    bad = source != target
    if bad.any():
        k = int(np.argmax(bad))
        raise FokkerPlanckError(
            f"{int(bad.sum())} rates are negative or not finite; the first is "
            f"{matrix.data[suspicious[k]]:.3g} from cell {source[k]} to cell {target[k]}: "
            "no Markov generator, use SparseLU"
        )


def describe_closed_classes(generator: sparse.csc_array) -> str:
    """How many closed classes a chain has, and their sizes."""
    entries = generator.tocoo()
    kept = entries.data > 0.0
    sources, targets = entries.col[kept], entries.row[kept]
    edges = sparse.csr_array((np.ones(len(sources)), (sources, targets)), shape=generator.shape)
    count, label = csgraph.connected_components(edges, directed=True, connection="strong")
    closed = np.ones(count, dtype=bool)
    closed[label[sources[label[sources] != label[targets]]]] = False
    sizes = np.sort(np.bincount(label)[closed])[::-1]
    first = [int(np.argmax(label == c)) for c in np.flatnonzero(closed)[:3]]
    return (
        f"the chain has {len(sizes)} closed classes, of {', '.join(map(str, sizes[:5]))}"
        f"{', ...' if len(sizes) > 5 else ''} of its {generator.shape[0]} cells (one contains cell "
        f"{', another cell '.join(map(str, first))}): no rate leads from one to another, and the "
        "stationary density is not unique; add noise where it vanishes, or solve on one class"
    )
