import pytest

from astrokeras.training.describe import describe


@pytest.mark.parametrize(("epochs", "count"), [(1, "1 epoch, "), (2, "2 epochs, ")])
def test_scores_of_network_and_baselines_stand_in_one_table(epochs, count):
    result = {
        "val": {"loss": 1.0, "magnitudes_mae": 0.2, "rotation_accuracy": 0.25},
        "baseline_mean": {"magnitudes_mae": 1.5},
        "epochs": epochs,
        "images_per_second": 33.4,
        "input_wait": 0.02,
        "legend": "errors in magnitudes",
    }
    head, _, network, mean, _, speed = describe(result).splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in (head, network, mean)]
    assert cells[0] == ["validation split", "magnitudes_mae", "rotation_accuracy"]
    assert cells[1] == ["this network", "0.200", "0.250"]
    assert cells[2] == ["always the mean", "1.500", "–"]
    assert speed == f"{count}33 images/s, 2% of the time waiting for input; errors in magnitudes."
