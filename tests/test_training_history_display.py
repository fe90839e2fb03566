"""TrainingHistoryDisplay: losses, scale, best epoch, and what is refused."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tiny import TINY

from skanomaly import LSTMAutoencoder, PersistenceDetector
from skanomaly.displays import TrainingHistoryDisplay
from skanomaly.preprocessing import SequenceTransformer

X = np.sin(np.arange(120)[:, None] / 5)


def draw(history, **options):
    return TrainingHistoryDisplay.from_history(history, ax=Figure(), **options)


def labels(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_losses_are_drawn_from_the_first_epoch_on():
    display = draw({"loss": [3, 2, 1], "val_loss": [4, 2, 3], "learning_rate": [1, 1, 1]})
    training, validation = display.ax_.lines[:2]
    np.testing.assert_array_equal(training.get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(training.get_ydata(), [3, 2, 1])
    np.testing.assert_array_equal(validation.get_ydata(), [4, 2, 3])
    assert labels(display) == ["training", "validation", "best: 2 in epoch 2"]


def test_best_epoch_of_the_validation_loss_is_marked():
    display = draw({"loss": [3, 2, 1], "val_loss": [4, 2, 3]})
    assert display.best_epoch_ == 2
    assert [
        tuple(line.get_xydata()[0]) for line in display.ax_.lines if len(line.get_xdata()) == 1
    ] == [(2, 2)]
    assert draw({"loss": [3, 2, 1]}).best_epoch_ is None
    assert draw({"loss": [3, 2], "val_loss": [np.nan, np.nan]}).best_epoch_ is None
    assert draw({"loss": [3, 2], "val_loss": [np.nan, 1]}).best_epoch_ == 2


@pytest.mark.parametrize(
    ("loss", "scale"),
    [
        ([1, 0.5], "linear"),
        ([1, 0.09], "log"),
        ([1, 0], "linear"),
        ([1, -0.01], "linear"),
        ([1], "linear"),
    ],
)
def test_scale_is_logarithmic_over_more_than_a_decade(loss, scale):
    assert draw({"loss": loss}).ax_.get_yscale() == scale


def test_one_epoch_and_many_are_drawn():
    one = draw({"loss": [0.3]})
    one.figure_.draw_without_rendering()
    assert one.ax_.lines[0].get_marker() == "."
    shown = [tick for tick in one.ax_.get_xticks() if 0.5 <= tick <= 1.5]
    assert shown == [1]
    assert draw({"loss": np.ones(500)}).ax_.lines[0].get_marker() == "None"


def test_from_estimator_reads_the_last_step():
    detector = LSTMAutoencoder(**TINY, early_stopping=True)
    pipeline = make_pipeline(SequenceTransformer(StandardScaler()), detector).fit(X)
    display = TrainingHistoryDisplay.from_estimator(pipeline, ax=Figure())
    assert display.history == pipeline[-1].history_
    assert display.ax_.get_title(loc="left") == "LSTMAutoencoder"
    assert display.best_epoch_ == np.argmin(pipeline[-1].history_["val_loss"]) + 1


def test_detectors_without_history_are_refused():
    for detector in (LSTMAutoencoder(), PersistenceDetector().fit(X)):
        with pytest.raises(TypeError, match=r"detector must have history_; got .*Fit it first"):
            TrainingHistoryDisplay.from_estimator(detector)


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ({"accuracy": [1]}, r"history must have the key 'loss'; got \['accuracy'\]"),
        ({"loss": []}, "history must have the loss of at least one epoch"),
        ({"loss": [1, 2], "val_loss": [1]}, "as many values of 'val_loss' as of 'loss', 2; got 1"),
    ],
)
def test_what_is_no_history_is_refused(history, message):
    with pytest.raises(ValueError, match=message):
        draw(history)


def test_untrained_networks_are_refused():
    detector = LSTMAutoencoder(**TINY | {"max_epochs": 0}).fit(X)
    with pytest.raises(ValueError, match="max_epochs of at least 1|key 'loss'"):
        TrainingHistoryDisplay.from_estimator(detector)
