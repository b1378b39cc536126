"""Whether a weighted mean over the positions of a feature map is better than the plain one, in a frozen encoder.

    python benchmarks/attention.py --data DIR [--write]

DIR holds `efigi/`. The encoders that ship look at 88×88 stamps, resampled to 96 pixels within the network, and leave
maps of 6×6 and of 3×3 positions. Three ways to pool them are compared on the same draws of labels and test galaxies,
those of `encoder_scores.py`:

- mean: the embedding as it is, with the logistic regression of `finetune --mode frozen`.
- entropy: that regression at each position gives class probabilities there; positions of low entropy weigh more,
  w = 1 - H / log C, and a regression is fitted to the weighted mean. After Lifchitz, Avrithis & Picard 2020 (arXiv
  2002.07522), who take the weights from a classifier of base classes, which these encoders do not have.
- learned: weights are a softmax of a linear score of what is at a position, trained together with the classifier. As it
  is trained in another way than the regression, it is compared with the mean under the same training.
"""

import argparse
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from encoder_scores import DRAWS, LARGE, SMALL, balanced, samples, stamps
from pretext_scores import CLASSES, split_labelled
from real_data import write
from scipy.special import softmax

from astrokeras.shipped_encoders.load import load_encoder
from astrokeras.survey.tables import markdown
from astrokeras.tasks.logistic import logistic_regression

BUDGETS = (10, 25)
STEPS, RATE, PENALTY = 300, 0.03, 10.0


def maps_of(name: str, pixels: np.ndarray) -> np.ndarray:
    """Return the feature maps of an encoder that ships, [N, positions, D]."""
    encoder = load_encoder(name)
    before = keras.Model(encoder.input, encoder.get_layer("embedding").input)
    maps = before.predict(pixels, batch_size=128, verbose=0)
    return maps.reshape(len(maps), -1, maps.shape[-1])


def entropy_weights(maps: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return weights of the positions, [N, positions], that sum to one."""
    probabilities = softmax(maps @ kernel + bias, axis=-1)
    entropy = -np.sum(probabilities * np.log(np.maximum(probabilities, 1e-12)), axis=-1)
    weights = 1.0 - entropy / np.log(len(bias)) + 1e-6
    return weights / weights.sum(axis=1, keepdims=True)


def by_entropy(maps: np.ndarray, labels: np.ndarray, rows: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    """Return what a regression on means weighted by entropy tells of the test galaxies."""
    kernel, bias = logistic_regression(maps[rows].mean(axis=1), labels[rows], len(CLASSES), seed)
    pooled = [np.einsum("np,npd->nd", entropy_weights(maps[part], kernel, bias), maps[part]) for part in (rows, test)]
    kernel, bias = logistic_regression(pooled[0], labels[rows], len(CLASSES), seed)
    return (pooled[1] @ kernel + bias).argmax(axis=1)


def by_mean(maps: np.ndarray, labels: np.ndarray, rows: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    """Return what a regression on plain means tells."""
    kernel, bias = logistic_regression(maps[rows].mean(axis=1), labels[rows], len(CLASSES), seed)
    return (maps[test].mean(axis=1) @ kernel + bias).argmax(axis=1)


def trained(maps: np.ndarray, labels: np.ndarray, rows: np.ndarray, test: np.ndarray, *, attends: bool) -> np.ndarray:
    """Return what a softmax classifier tells that was trained by gradients, with weights of positions or without."""
    means = maps[rows].mean(axis=1)
    scaled = [tf.constant((maps[part] - means.mean(axis=0)) / (means.std(axis=0) + 1e-6)) for part in (rows, test)]
    score = tf.Variable(tf.zeros((maps.shape[-1], 1)))
    kernel, bias = tf.Variable(tf.zeros((maps.shape[-1], len(CLASSES)))), tf.Variable(tf.zeros(len(CLASSES)))
    variables = [kernel, bias, *([score] if attends else [])]
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(RATE, STEPS))
    optimizer.build(variables)

    def logits(part: tf.Tensor) -> tf.Tensor:
        weights = tf.nn.softmax(part @ score, axis=1)
        return tf.reduce_sum(weights * part, axis=1) @ kernel + bias

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            errors = tf.nn.sparse_softmax_cross_entropy_with_logits(labels[rows], logits(scaled[0]))
            size = tf.nn.l2_loss(kernel) + tf.nn.l2_loss(score)
            loss = tf.reduce_mean(errors) + PENALTY * size / len(rows)
        optimizer.apply(tape.gradient(loss, variables), variables)

    for _ in range(STEPS):
        step()
    return logits(scaled[1]).numpy().argmax(axis=1)


def cell(mine: np.ndarray, other: np.ndarray | None, truth: np.ndarray, taken: list) -> str:
    """Return a score, and its difference to another way to pool with a 95 % interval; answers are right or not."""
    if other is None:
        return f"{balanced(mine, truth):.3f}"
    more = mine.astype(float) - other
    low, high = np.percentile([balanced(more[draws][:, rows], truth[rows]) for draws, rows in taken], [2.5, 97.5])
    return f"{balanced(mine, truth):.3f}, {balanced(more, truth):+.3f} [{low:+.3f}, {high:+.3f}]"


def main() -> None:
    """Compare the ways to pool, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    given = parser.parse_args()
    ids, labels, pixels = stamps(given.data / "efigi")
    test = split_labelled(ids, labels)[0]
    rest, truth, rng = np.setdiff1d(np.arange(len(ids)), test), labels[test], np.random.default_rng(1)
    orders, taken = [rng.permutation(rest) for _ in range(DRAWS)], samples(truth)
    lines = []
    for name in (SMALL, LARGE):
        maps = maps_of(name, pixels)
        ways = {
            "mean": (lambda rows, seed, maps=maps: by_mean(maps, labels, rows, test, seed), None),
            "entropy": (lambda rows, seed, maps=maps: by_entropy(maps, labels, rows, test, seed), "mean"),
            "mean, trained": (lambda rows, _, maps=maps: trained(maps, labels, rows, test, attends=False), None),
            "learned": (lambda rows, _, maps=maps: trained(maps, labels, rows, test, attends=True), "mean, trained"),
        }
        cells: dict[str, list[str]] = {way: [] for way in ways}
        for count in BUDGETS:
            draws = [np.concatenate([o[labels[o] == k][:count] for k in range(len(CLASSES))]) for o in orders]
            right = {}
            for way, (tell, against) in ways.items():
                right[way] = np.array([tell(rows, seed) == truth for seed, rows in enumerate(draws)])
                cells[way].append(cell(right[way], right.get(against), truth, taken))
                print(name, count, way, cells[way][-1], flush=True)
        lines += [[name, str(maps.shape[1]), way, *cells[way]] for way in ways]
    head = ["encoder", "positions", "pooled by", *(f"{count} labels a class" for count in BUDGETS)]
    text = f"Run on {time.strftime('%Y-%m-%d')}.\n\n{markdown(head, lines)}"
    print(text)
    if given.write:
        write("attention", text)


if __name__ == "__main__":
    main()
