import pytest

from astrokeras.training.describe import describe_scores


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
    head, _, network, mean, _, speed = describe_scores(result).splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in (head, network, mean)]
    assert cells[0] == ["validation split", "magnitudes_mae", "rotation_accuracy"]
    assert cells[1] == ["this network", "0.200", "0.250"]
    assert cells[2] == ["always the mean", "1.500", "–"]
    assert speed == f"{count}33 images/s, 2% of the time waiting for input; errors in magnitudes."


def test_a_baseline_that_is_better_is_marked_and_named():
    scores = {"mae": 0.2, "mae_g": 0.1, "mae_r": 0.3, "bias": -0.01, "bias_g": 0.0, "bias_r": -0.02}
    scores |= {"nmad": 0.15, "nmad_g": 0.12, "nmad_r": 0.18}
    result = {
        "val": {"loss": 1.0, **scores},
        "baseline_linear": {**scores, "mae_r": 0.25, "nmad_r": 0.1, "mae_g": 0.4},
        "baseline_mean": {name: 2 * value for name, value in scores.items()},
        "beaten_by": {"baseline_linear": ["mae_r", "nmad_r"]},
        **{"epochs": 2, "images_per_second": 33.4, "legend": "errors in magnitudes"},
    }
    first, second, better, _ = describe_scores(result).split("\n\n")
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in first.splitlines()]
    assert rows[0] == ["validation split", "mae", "mae_g", "mae_r"]
    assert rows[3] == ["linear fit on aperture fluxes", "0.200", "0.400", "0.250 *"]
    assert rows[4] == ["always the mean", "0.400", "0.200", "0.600"]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in second.splitlines()]
    assert rows[0][:4] == ["band", "mean error", "bias", "NMAD"]
    assert rows[0][4] == "linear fit: mean error"
    assert rows[2] == ["all", "0.200", "-0.010", "0.150", "0.200", "-0.010", "0.150"]
    assert rows[4] == ["r", "0.300", "-0.020", "0.180", "0.250 *", "-0.020", "0.100 *"]
    assert better == "* better than this network: linear fit on aperture fluxes, in mae_r, nmad_r."
