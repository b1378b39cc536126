import signal

import pytest

from astrokeras.training.signals import Signals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_asks_and_the_second_interrupts(number: signal.Signals, code: int):
    former = signal.getsignal(number)
    with Signals() as signals:
        assert not signals.caught
        signal.raise_signal(number)
        assert signals.caught
        stopped = signals.stopped("step 3 of epoch 2")
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) is former
    assert stopped.exit_code == code
    assert str(stopped).startswith(f"stopped by {number.name} after step 3 of epoch 2; ")
