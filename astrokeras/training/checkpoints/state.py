"""All that a training consists of, as arrays: weights, seeds, what tasks keep, the optimizer, the running metrics.

`keras.Model.save_weights` leaves out the metrics, and names by layers, whose names count up within a process.
"""

import keras
import numpy as np

from astrokeras.errors import AstrokerasError

State = dict[str, np.ndarray]


def _variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Return every variable of a compiled model by its group and number.

    The same in every process that builds it alike.
    """
    groups = {
        "model": model.variables,
        "optimizer": model.optimizer.variables,
        "metrics": model.metrics_variables,
    }
    return {f"{group}/{number:05d}": one for group, every in groups.items() for number, one in enumerate(every)}


def take(model: keras.Model) -> State:
    """Copy of all variables of a compiled model whose optimizer is built; on several devices all have to join in."""
    if keras.backend.backend() == "jax":
        model.jax_state_sync()  # within `fit` the variables lag behind
    return {name: np.array(keras.ops.convert_to_numpy(one)) for name, one in _variables(model).items()}


def blank(model: keras.Model) -> State:
    """Return arrays like those of `take`, without the values."""
    return {
        name: np.zeros(tuple(one.shape), keras.backend.standardize_dtype(one.dtype))
        for name, one in _variables(model).items()
    }


def check(model: keras.Model, state: State) -> None:
    """Make sure that a state is one of a model that was built like this one.

    Raises:
        AstrokerasError: it is another model's.
    """
    mine = {name: (value.shape, value.dtype) for name, value in blank(model).items()}
    if mine != {name: (value.shape, value.dtype) for name, value in state.items()}:
        raise AstrokerasError("the state is of another model")


def put(model: keras.Model, state: State) -> None:
    """Give a model the state of one that was built alike; inside the scope of the strategy.

    Raises:
        AstrokerasError: it is another model's; the model is as it was.
    """
    check(model, state)
    for name, variable in _variables(model).items():
        variable.assign(state[name])


def is_finite(state: State) -> bool:
    """Return whether there is no NaN or infinity in it."""
    return all(np.isfinite(value).all() for value in state.values() if np.issubdtype(value.dtype, np.inexact))
