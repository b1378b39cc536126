"""Encoders side by side, and means of heads, compared with the parts by hand."""

from pathlib import Path

import keras
import numpy as np

from astrokeras.models.encoder import build_encoder
from astrokeras.models.joined import MixtureMoments, encoders_of, joined, mean_head
from astrokeras.models.recast import recast
from astrokeras.models.saving import ENCODER, load_model
from tests.models.test_inflate import computed, records


def test_embeddings_stand_side_by_side_and_heads_see_their_own(tmp_path: Path):
    survey = records("gri")
    encoders = [build_encoder(survey, backbone="compact") for _ in range(2)]
    flux = np.random.default_rng(0).normal(0, 50, (3, 32, 32, 3)).astype(np.float32)
    apart = [computed(encoder, flux) for encoder in encoders]
    together = joined(encoders)
    np.testing.assert_array_equal(computed(together, flux), np.concatenate(apart, axis=1))
    assert [part.output_shape for part in encoders_of(together)] == [(None, 128)] * 2
    assert encoders_of(encoders[0]) == [encoders[0]]
    heads = []
    for _ in encoders:
        embedding = keras.Input((128,))
        heads.append(keras.Model([embedding], keras.layers.Dense(4, activation="softmax")(embedding), name="class"))
    expected = np.mean([computed(head, [one]) for head, one in zip(heads, apart, strict=True)], axis=0)
    head = mean_head("class", heads, [128, 128], keras.layers.Average())
    np.testing.assert_allclose(computed(head, [computed(together, flux)]), expected, rtol=1e-6)

    together.save(tmp_path / "encoder.keras")
    again = load_model(tmp_path / "encoder.keras", ENCODER)
    np.testing.assert_array_equal(computed(again, flux), np.concatenate(apart, axis=1))
    half = recast(again, "mixed_bfloat16")
    for part in encoders_of(half):
        layers = (part.get_layer("stretch"), part.get_layer("compact").layers[1], part.get_layer("embedding"))
        assert [layer.compute_dtype for layer in layers] == ["float32", "bfloat16", "float32"]


def test_three_encoders_of_which_two_are_one():
    survey = records("gri")
    first, second, third = (build_encoder(survey, backbone="compact") for _ in range(3))
    together = joined([joined([first, second]), third])
    assert together.output_shape == (None, 384)
    assert encoders_of(together) == [first, second, third]


def test_the_deviation_of_a_mixture_is_that_of_draws_from_it():
    rng = np.random.default_rng(0)
    given = np.float32([[[1.0, 0.5]], [[3.0, 1.5]]])  # a value and a deviation from each of two networks
    mean, deviation = computed(MixtureMoments(), [given[0], given[1]])[0]
    draws = np.concatenate([rng.normal(value, width, 200_000) for value, width in given[:, 0]])
    np.testing.assert_allclose([mean, deviation], [draws.mean(), draws.std()], rtol=0.01)
