"""What an exported model answers in a process of its own: ``python answers.py MODEL FLUX.npz ANSWERS.npz``.

It loads as TensorFlow Serving does: the graph's own operation restores the variables, and no Keras is there to help.
"""

import sys

import numpy as np
import tensorflow as tf


def main(model: str, flux: str, answers: str) -> None:
    """Write what each signature gives for each array of a file, as ``SIGNATURE/ARRAY/OUTPUT``; text is UTF-8."""
    found = {}
    with tf.compat.v1.Session(graph=tf.Graph()) as session, np.load(flux) as requests:
        meta = tf.compat.v1.saved_model.loader.load(session, ["serve"], model)
        for signature, defined in meta.signature_def.items():
            if "flux" not in defined.inputs:  # the loader's own
                continue
            outputs = {name: info.name for name, info in defined.outputs.items()}
            for request, values in requests.items():
                for name, answer in session.run(outputs, {defined.inputs["flux"].name: values}).items():
                    found[f"{signature}/{request}/{name}"] = answer.astype(bytes) if answer.dtype == object else answer
    np.savez(answers, **found)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except tf.errors.OpError as error:
        frame = ("Graph execution error", "Detected at", "<stack traces")
        sys.exit(next(line for line in error.message.splitlines() if line and not line.startswith(frame)))
