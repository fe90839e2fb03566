"""The picture of the first guide page and of the README: python docs/figures/detection.py FILE."""

import sys

from skanomaly import LSTMAutoencoder
from skanomaly.datasets import make_series
from skanomaly.displays import ScoreDisplay

data = make_series(random_state=0)
detector = LSTMAutoencoder(stride=4, batch_size=16, contamination=0.002, random_state=0)
detector.fit(data.X_train)
display = ScoreDisplay.from_estimator(
    detector, data.X_test, y=data.y_test, feature_names=data.feature_names
)
if __name__ == "__main__" and len(sys.argv) > 1:
    from PIL import Image

    display.figure_.savefig(sys.argv[1], dpi=90)
    Image.open(sys.argv[1]).convert("RGB").quantize(48).save(sys.argv[1], optimize=True)
