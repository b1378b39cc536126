import math

from astrokeras.evaluation.costs import Speed, cost_lines, one_after_the_other


def test_the_first_batch_does_not_count():
    ticks = iter([100.0, 101.0, 103.0])
    speed = Speed(30, clock=lambda: next(ticks))
    speed.batch_done()
    assert math.isnan(speed.images_per_second)
    speed.batch_done()
    assert speed.images_per_second == 30
    speed.batch_done()
    assert speed.images_per_second == 20


def test_what_is_not_known_is_not_made_up():
    assert math.isnan(one_after_the_other([10.0, math.nan]))
    assert one_after_the_other([20.0, 20.0]) == 10


def test_a_line_an_arm_with_its_largest_budget():
    def row(arm, labels, seconds, parameters=1_234_567):
        costs = {"seconds_mean": seconds, "images_per_second_mean": math.nan, "parameters": parameters}
        return {"arm": arm, "backbone": "compact", "labels": labels, **costs}

    rows = [row("b", 100, 7.25), row("b", 10, 3.0), row("a", 10, math.nan, "")]
    assert cost_lines(rows) == [["b", "compact", "1,234,567", "7.2", "–"], ["a", "compact", "–", "–", "–"]]
