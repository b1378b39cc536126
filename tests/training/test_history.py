import re

from astrokeras.training.history import head, line


def test_a_score_that_a_baseline_does_not_have_is_a_dash_in_its_column():
    names, baseline = head(("magnitudes_mae", "rotation_accuracy"), {"baseline_mean": {"magnitudes_mae": 1.43}})
    row = {"epoch": 1, "loss": 2.0, "val_loss": 3.0, "images_per_second": 10.0}
    row |= {"val_magnitudes_mae": 1.0, "val_rotation_accuracy": 0.25}
    shown = line(row, 9, ("magnitudes_mae", "rotation_accuracy"))
    assert re.split(r"  +", baseline.strip()) == ["baseline mean", "1.430", "–"]
    for text, name in (("1.430", "magnitudes_mae"), ("–", "rotation_accuracy")):
        assert baseline.index(text) + len(text) == names.index(name) + len(name)
    assert shown.index("0.250") + 5 == baseline.index("–") + 1
