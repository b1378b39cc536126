"""The same numbers with JAX, compiled, where TensorFlow cannot even be imported."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from keras import ops

from tests.pipeline.test_augment import EVERYTHING, FACTS, SPECS, draws, made, stamps

_SCRIPT = """
import sys
sys.modules["tensorflow"] = None  # an import of it fails
import jax
import numpy as np
from astrokeras.pipeline.augment import SurveyInfo, augmentation

given = np.load(sys.argv[1])
facts = SurveyInfo(tuple(given["bands"].tolist()), given["sky"], given["noise"], "nJy")
results = {}
for spec in given["specs"].tolist():
    chain = augmentation(spec, facts)
    for kind in ("float32", "bfloat16")[: 2 if "|" in spec else 1]:
        flux = jax.numpy.asarray(given["flux"], kind)
        result = jax.jit(chain)(flux, given["draws"][:, : chain.n_draws])
        assert result.dtype == kind, result.dtype
        results[f"{kind} {spec}"] = np.asarray(result, np.float32)
np.savez(sys.argv[2], **results)
"""


def test_jax_gives_the_numbers_of_tensorflow(tmp_path: Path):
    pytest.importorskip("jax")
    specs = [*SPECS.values(), EVERYTHING]
    flux, numbers = stamps(), draws(16, made(EVERYTHING).n_draws)
    given = {"bands": FACTS.bands, "sky": FACTS.sky, "noise": FACTS.noise, "specs": specs}
    np.savez(tmp_path / "given.npz", flux=flux, draws=numbers, **given)
    subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(tmp_path / "given.npz"), str(tmp_path / "results.npz")],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        check=True,
        timeout=300,
    )
    results = np.load(tmp_path / "results.npz")
    assert results.files == [*(f"float32 {spec}" for spec in specs), f"bfloat16 {EVERYTHING}"]
    for name in results.files:
        kind, spec = name.split(" ")
        chain = made(spec)
        ours = ops.cast(chain(ops.cast(flux, kind), numbers[:, : chain.n_draws]), "float32")
        # Flux of up to 1000 on a sky of 50; bfloat16 has steps of 4 there.
        relative, absolute = {"float32": (1e-5, 2e-3), "bfloat16": (1e-2, 2.0)}[kind]
        np.testing.assert_allclose(results[name], ours, rtol=relative, atol=absolute)
