"""Arms that are the mean of what several networks predict (Vincenzi et al. 2020): nothing is trained anew.

Source: Lakshminarayanan, Pritzel & Blundell 2017 (arXiv 1612.01474) of means over networks; Vincenzi et al. 2020 ("The
color out of space: learning self-supervised representations for Earth observation imagery", ICPR, arXiv 2006.12119) of
a network that starts from ImageNet beside one that was pre-trained without labels.
"""

import contextlib
import dataclasses
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from astrokeras.errors import AstrokerasError
from astrokeras.evaluation.arm_network import Watch
from astrokeras.evaluation.arms import Arm
from astrokeras.evaluation.compare import Comparison, Draw, score
from astrokeras.evaluation.costs import one_after_the_other
from astrokeras.evaluation.fit_predictions import load_held_out, load_predictions
from astrokeras.evaluation.fits import HEAD, load_fit, load_heads
from astrokeras.evaluation.fitting import FineTuneResult
from astrokeras.evaluation.keep import place_of
from astrokeras.evaluation.out_of_fold import HeldOut, calibrated
from astrokeras.evaluation.schedule import Schedule
from astrokeras.models.joined import joined, mean_head
from astrokeras.training.run_directory import RUN_FILE, load_run


class EnsembleTrainer:
    """Puts the fits of the members of an arm together.

    Args:
        arm: has members, whose fits to the same draws are whole.
        comparison: what it shares with others.
        out: the run directory.
    """

    def __init__(self, arm: Arm, comparison: Comparison, out: Path) -> None:
        self.arm, self.comparison, self.out = arm, comparison, out
        self._encoders: dict[tuple[Path, ...], keras.Model] = {}
        self._model: keras.Model | None = None

    def fit(self, draw: Draw, watch: Watch, directory: Path) -> FineTuneResult:
        """Return the mean of what the members' fits to a draw predict; afterwards `trained` gives it as one network.

        The seconds are those of the members' fits too.

        Raises:
            AstrokerasError: one of them has failed, or its files are damaged.
        """
        started, names = time.perf_counter(), list(self.comparison.targets)
        places = [self._place(member, draw) for member in self.arm.members]
        runs = [load_run(place) for place in places]
        predictions: dict[str, Mapping[str, np.ndarray]] = {}
        for exam in self.comparison.exams:
            each = [load_predictions(place, exam, names) for place in places]
            predictions[exam.split] = {name: self._mean(name, [one[name] for one in each]) for name in names}
        targets, exams = self.comparison.targets, self.comparison.exams
        self._model = self._together(places, runs)
        heads = {name: self._model.get_layer(name) for name in names}
        predictions, held, calibration = calibrated(self.comparison, predictions, self._held_out(places, draw), heads)
        scores = {exam.split: score(targets, exam, predictions[exam.split]) for exam in exams}
        seconds = time.perf_counter() - started + sum(run["result"]["seconds"] for run in runs)
        speeds = [run["result"]["images_per_second"] for run in runs]  # JSON has no NaN
        speed = one_after_the_other(math.nan if one is None else one for one in speeds)
        modes = dict.fromkeys(run["result"]["mode"] for run in runs)
        config = self.comparison.config
        schedule = Schedule(", ".join(modes), config.epochs, config.min_steps, config.batch_size, config.learning_rate)
        return FineTuneResult(draw, schedule, [], scores, calibration, predictions, held, [], seconds, speed)

    @contextlib.contextmanager
    def trained(self) -> Iterator[keras.Model]:
        """Return a time in which there is the network of the last `fit`."""
        yield self._model

    def _held_out(self, places: list[Path], draw: Draw) -> HeldOut | None:
        """Return the mean of what the members say of labels that were held out; None unless these were the same."""
        names = list(self.comparison.targets)
        each = [load_held_out(place, len(draw.select), names) for place in places]
        if any(one is None or not np.array_equal(one.select, each[0].select) for one in each):
            return None
        return HeldOut(
            each[0].select, {name: self._mean(name, [one.predictions[name] for one in each]) for name in names}
        )

    def _place(self, member: Arm, draw: Draw) -> Path:
        """Return the directory of a member's fit; of all labels, one whose start no seed changes has a single one."""
        for repeat in (draw.repeat, 0) if draw.budget == "all" else (draw.repeat,):
            place = self.out / place_of(member, dataclasses.replace(draw, repeat=repeat))
            if (place / RUN_FILE).is_file():
                return place
        raise AstrokerasError(f"the fit of its part {member.name} has failed")

    def _mean(self, name: str, predictions: list[np.ndarray]) -> np.ndarray:
        tensors = [keras.ops.convert_to_tensor(values) for values in predictions]
        return keras.ops.convert_to_numpy(self.comparison.targets[name].mean(tensors))

    def _together(self, places: list[Path], runs: list[dict[str, Any]]) -> keras.Model:
        """Return one network: the encoders joined, and heads that give the mean of those of the fits."""
        most, targets = self.comparison.config.max_model_bytes, self.comparison.targets
        models = [
            load_heads(place, most) if (place / HEAD).is_file() else load_fit(place, run, most)
            for place, run in zip(places, runs, strict=True)
        ]
        encoder = self._encoder(places, runs, models)
        first = next(iter(targets))
        widths = [model.get_layer(first).inputs[0].shape[-1] for model in models]
        flux = keras.Input(encoder.input_shape[1:], dtype="float32", name="flux")
        embedding, outputs = encoder(flux), {}
        for name, target in targets.items():
            head = mean_head(name, [model.get_layer(name) for model in models], widths, target.mean)
            outputs[name] = head([embedding])
        return keras.Model(flux, outputs if len(outputs) > 1 else outputs[name], name="_".join(targets))

    def _encoder(self, places: list[Path], runs: list[dict[str, Any]], models: list[keras.Model]) -> keras.Model:
        """Return the joined encoder; where heads alone were fitted, it is put together once for all draws."""
        files = tuple(
            place.parents[1] / run["encoder"]["file"] if run.get("encoder") else place
            for place, run in zip(places, runs, strict=True)
        )
        if files not in self._encoders:
            most = self.comparison.config.max_model_bytes
            encoders = [
                (load_fit(place, run, most) if (place / HEAD).is_file() else model).get_layer("encoder")
                for place, run, model in zip(places, runs, models, strict=True)
            ]
            self._encoders = {files: joined(encoders)}
        return self._encoders[files]
