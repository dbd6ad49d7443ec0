"""What single figures draw."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from fer_tune.analysis.figures import reference_lines


@pytest.mark.parametrize(
    ("scores", "bottom", "top"), [([0.86, 0.90], 0.626, 1.0), ([0.05, 0.15], 0.0, 0.735), ([0.5], None, None)]
)
def test_the_band_of_a_reference_is_its_interval_and_ends_at_0_and_1(scores, bottom, top):
    ax = Figure().add_subplot()
    reference_lines(ax, {"gce": np.array(scores)})
    assert ax.lines[0].get_ydata()[0] == pytest.approx(np.mean(scores))
    bands = [(band.get_y(), band.get_y() + band.get_height()) for band in ax.patches]
    assert bands == ([] if bottom is None else [pytest.approx((bottom, top), abs=0.002)])
