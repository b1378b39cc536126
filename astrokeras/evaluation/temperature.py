"""The temperature of a fit's probabilities: found on validation objects, kept in the model."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np

from astrokeras.evaluation.calibration import at_temperature, expected_calibration_error, fit_temperature
from astrokeras.evaluation.compare import EvaluationSet, Targets

VALIDATION = "val"
LAYER = "temperature"
"""The name of the layer in the head of a target that tells classes."""


def calibrate(
    targets: Targets,
    exams: Sequence[EvaluationSet],
    answers: Mapping[str, Mapping[str, np.ndarray]],
    heads: Mapping[str, keras.Model],
) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, float]]:
    """Fit the temperatures of a network and give them to its heads.

    Args:
        targets: by name.
        exams: what is measured on; the first one is the test, which nothing is fitted on.
        answers: of the network at a temperature of 1, by split and target.
        heads: of the network, by target.

    Returns:
        Its answers from then on, and `calibration_figures`.
    """
    found = temperatures(targets, exams, answers)
    set_temperatures(heads, found)
    after, test = tempered(answers, found), exams[0]
    return after, calibration_figures(targets, test, answers[test.split], after[test.split], found)


def temperatures(
    targets: Targets, exams: Sequence[EvaluationSet], answers: Mapping[str, Mapping[str, np.ndarray]]
) -> dict[str, float]:
    """Return the temperature of each target that has one, fitted on the validation objects; nothing without any.

    Args:
        targets: by name.
        exams: what is measured on.
        answers: probabilities at a temperature of 1, by split and target.

    Source: Guo et al. 2017 (arXiv 1706.04599); Pollastri et al. 2020 for few labels.
    """
    found = {}
    for exam in exams:
        if exam.split != VALIDATION:
            continue
        for name, target in targets.items():
            if not target.tempered:
                continue
            known = target.known(exam.fields[name])
            if known.any():
                codes = target.strata(exam.fields[name])[known]
                found[name] = fit_temperature(codes, answers[exam.split][name][known])
    return found


def tempered(
    answers: Mapping[str, Mapping[str, np.ndarray]], found: Mapping[str, float]
) -> dict[str, dict[str, np.ndarray]]:
    """Return answers at these temperatures, by split and target, as the model gives them that has them."""
    return {
        split: {
            name: at_temperature(values, found[name]) if name in found else values for name, values in by_target.items()
        }
        for split, by_target in answers.items()
    }


def calibration_names(targets: Targets) -> dict[str, tuple[str, str, str]]:
    """Return how the figures of `calibration_figures` are called, by target that has them."""
    prefixes = {name: f"{name}_" if len(targets) > 1 else "" for name, target in targets.items() if target.tempered}
    return {
        name: (f"{prefix}temperature", f"test_{prefix}calibration_error_before", f"test_{prefix}calibration_error")
        for name, prefix in prefixes.items()
    }


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
