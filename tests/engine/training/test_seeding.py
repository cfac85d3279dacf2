"""Randomness as a function of seeds."""

from __future__ import annotations

import numpy as np
import pytest

from service.engine.training import seeding


def test_an_epoch_visits_every_row_once_in_its_own_order() -> None:
    first, second = seeding.order(7, 1, 1000), seeding.order(7, 2, 1000)
    assert sorted(first) == sorted(second) == list(range(1000))
    assert not np.array_equal(first, second)
    assert np.array_equal(first, seeding.order(7, 1, 1000))
    assert not np.array_equal(first, seeding.order(8, 1, 1000))


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_a_mask_drops_its_share_of_units(rate: float) -> None:
    mask = seeding.dropout_mask(3, 1, 0, 5000, 40, rate)
    assert mask.dtype == np.uint8
    # 200,000 draws: five standard deviations are 0.0056 at most.
    assert 1 - mask.mean() == pytest.approx(rate, abs=0.0056)


def test_layers_epochs_and_seeds_have_masks_of_their_own() -> None:
    masks = [
        seeding.dropout_mask(seed, epoch, layer, 50, 20, 0.5)
        for seed, epoch, layer in [(1, 1, 0), (2, 1, 0), (1, 2, 0), (1, 1, 1)]
    ]
    for one in range(4):
        for other in range(one):
            assert not np.array_equal(masks[one], masks[other])
