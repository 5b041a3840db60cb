"""Harm is found quickly, and hardly ever where there is none."""

import numpy as np
import pytest

from mlkit.monitoring.blocks import block_dispersion
from mlkit.monitoring.harm import HarmDetector, make_detector, measure_quality
from mlkit.monitoring.losses import LossMeasure

ERRORS = LossMeasure("accuracy", "Accuracy", "error", True, True)


def quality(losses):
    truth = losses.astype(int)
    return measure_quality(ERRORS, truth, np.tile([1.0, 0.0], (len(truth), 1)))


def run(detector, losses):
    """The rows after which an alarm was up for the first time; None: never."""
    for at in range(0, len(losses) - 10 + 1, 10):
        if detector.add_block(losses[at : at + 10]):
            return at + 10
    return None


@pytest.mark.parametrize("share", [0.02, 0.15])
def test_a_year_without_a_change_has_no_alarm_in_19_of_20(share):
    chance, alarms, years = np.random.default_rng(1), 0, 30
    for _ in range(years):
        detector = make_detector(quality(chance.random(2_000) < share), tolerance=0.0, horizon=10_000)
        alarms += run(detector, (chance.random(10_000) < share).astype(float)) is not None
    assert alarms <= 4  # 95 % bound of 1.5 in 30


@pytest.mark.parametrize(("more", "rows"), [(0.05, 800), (0.10, 260)])
def test_a_late_change_is_found_soon(more, rows):
    chance, found = np.random.default_rng(2), []
    for _ in range(40):
        detector = HarmDetector(0.15, 0.357, 1.0, 10_000)
        losses = np.r_[chance.random(2_000) < 0.15, chance.random(4_000) < 0.15 + more].astype(float)
        found.append((run(detector, losses) or 6_000) - 2_000)
    assert 0 < np.median(found) <= rows


def test_rows_that_hang_together_raise_no_alarm():
    chance, alarms = np.random.default_rng(3), 0

    def stream(rows):
        return np.repeat(chance.random(rows // 20) < 0.15, 20).astype(float)

    assert 10 < block_dispersion(stream(8_000)).factor < 40
    for _ in range(40):
        detector = make_detector(quality(stream(6_000)), tolerance=0.0, horizon=10_000)
        alarms += run(detector, stream(10_000)) is not None
    assert alarms <= 5


def test_an_alarm_ends_when_the_model_is_well_again():
    detector = make_detector(quality(np.arange(4_000) % 10 == 0), tolerance=0.02)
    assert run(detector, np.ones(200)) <= 50 and detector.is_up
    assert run(detector, (np.arange(2_000) % 10 == 5).astype(float)) is None and not detector.is_up


def test_a_detector_goes_on_where_it_was():
    losses = (np.random.default_rng(4).random(1_000) < 0.3).astype(float)
    whole, part = (make_detector(quality(np.arange(2_000) % 5 == 0)) for _ in range(2))
    for at in range(0, 1_000, 50):
        whole.add_block(losses[at : at + 50])
        part.add_block(losses[at : at + 50])
        part = HarmDetector.from_dict(part.to_dict())
    assert part == whole
