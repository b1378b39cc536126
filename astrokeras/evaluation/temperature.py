"""The temperature of a fit's probabilities: found on objects that it was not fitted to, kept in the model."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from astrokeras.evaluation.calibration import at_temperature, expected_calibration_error, fit_temperature
from astrokeras.evaluation.compare import EvaluationSet, Targets

VALIDATION, OUT_OF_FOLD = "val", "out_of_fold"
"""What temperatures are fitted on: validation objects; for want of them, labels of the draw, held out in turn."""
LAYER = "temperature"
"""The name of the layer in the head of a target that tells classes."""


def calibrate(
    targets: Targets,
    exams: Sequence[EvaluationSet],
    predictions: Mapping[str, Mapping[str, np.ndarray]],
    heads: Mapping[str, keras.Model],
) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, Any]]:
    """Fit the temperatures of a network and give them to its heads.

    Args:
        targets: by name.
        exams: what is measured on; the first one is the test, which nothing is fitted on. One that is called
            `OUT_OF_FOLD` may come last.
        predictions: of the network at a temperature of 1, by split and target.
        heads: of the network, by target.

    Returns:
        Its answers from then on, and `calibration_figures` with what temperatures were fitted on.
    """
    splits = fitted_on(targets, exams)
    found = temperatures(targets, exams, predictions)
    set_temperatures(heads, found)
    after, test = tempered(predictions, found), exams[0]
    figures = calibration_figures(targets, test, predictions[test.split], after[test.split], found)
    return after, figures | {key: splits.get(name, "") for name, key in fitted_on_names(targets).items()}


def fitted_on(targets: Targets, exams: Sequence[EvaluationSet]) -> dict[str, str]:
    """Return for each target that has a temperature on which exam it is fitted; nothing where none has labels of it."""
    found = {}
    for split in (VALIDATION, OUT_OF_FOLD):
        for exam in exams:
            for name, target in targets.items():
                if exam.split == split and target.tempered and target.known(exam.fields[name]).any():
                    found.setdefault(name, split)
    return found


def unvalidated(targets: Targets, exams: Sequence[EvaluationSet]) -> list[str]:
    """Return the names of targets that have a temperature and no validation labels to fit it on."""
    there = fitted_on(targets, exams)
    return [name for name, target in targets.items() if target.tempered and name not in there]


def temperatures(
    targets: Targets, exams: Sequence[EvaluationSet], predictions: Mapping[str, Mapping[str, np.ndarray]]
) -> dict[str, float]:
    """Return the temperature of each target that has one, fitted as `fitted_on` says; nothing without labels.

    Args:
        targets: by name.
        exams: what is measured on, and what was held out, see `calibrate`.
        predictions: probabilities at a temperature of 1, by split and target.

    Source: Guo et al. 2017 (arXiv 1706.04599); Pollastri et al. 2020 for few labels.
    """
    found, by_split = {}, {exam.split: exam for exam in exams}
    for name, split in fitted_on(targets, exams).items():
        fields = by_split[split].fields[name]
        known = targets[name].known(fields)
        found[name] = fit_temperature(targets[name].strata(fields)[known], predictions[split][name][known])
    return found


def tempered(
    predictions: Mapping[str, Mapping[str, np.ndarray]], found: Mapping[str, float]
) -> dict[str, dict[str, np.ndarray]]:
    """Return answers at these temperatures, by split and target, as the model gives them that has them."""
    return {
        split: {
            name: at_temperature(values, found[name]) if name in found else values for name, values in by_target.items()
        }
        for split, by_target in predictions.items()
    }


def calibration_names(targets: Targets) -> dict[str, tuple[str, str, str]]:
    """Return how the figures of `calibration_figures` are called, by target that has them."""
    return {
        name: (f"{prefix}temperature", f"test_{prefix}calibration_error_before", f"test_{prefix}calibration_error")
        for name, prefix in _prefixes(targets).items()
    }


def fitted_on_names(targets: Targets) -> dict[str, str]:
    """Return how that on which a temperature was fitted is called in the line of a fit, by target that has one."""
    return {name: f"{prefix}temperature_from" for name, prefix in _prefixes(targets).items()}


def _prefixes(targets: Targets) -> dict[str, str]:
    return {name: f"{name}_" if len(targets) > 1 else "" for name, target in targets.items() if target.tempered}


def calibration_figures(
    targets: Targets,
    exam: EvaluationSet,
    before: Mapping[str, np.ndarray],
    after: Mapping[str, np.ndarray],
    found: Mapping[str, float],
) -> dict[str, float]:
    """Return the temperature of each target that has one, and its calibration error before it and with it.

    Args:
        targets: by name.
        exam: the test objects.
        before: answers at a temperature of 1, by target.
        after: answers at that which was found.
        found: the temperatures; 1 where there is none.
    """
    figures = {}
    for name, names in calibration_names(targets).items():
        known = targets[name].known(exam.fields[name])
        codes = targets[name].strata(exam.fields[name])[known]
        errors = (expected_calibration_error(codes, one[name][known]) for one in (before, after))
        figures |= dict(zip(names, (found.get(name, 1.0), *errors), strict=True))
    return figures


def set_temperatures(heads: Mapping[str, keras.Model], found: Mapping[str, float]) -> None:
    """Give the heads of targets their temperatures; 1 to those that have a layer for it and none found."""
    for name, head in heads.items():
        layer = next((layer for layer in head.layers if layer.name == LAYER), None)
        if layer is not None:
            layer.temperature.assign(found.get(name, 1.0))
