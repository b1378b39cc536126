"""Whether output sensitivity ranks encoders as labels then do, on EFIGI; writes the table into docs/results.md.

    python benchmarks/rank.py --data DIR --weights FILE

DIR holds `efigi/`, FILE is a MobileNetV2 without its top. Output sensitivity (Forouzesh, Salehi and Thiran 2020,
arXiv:2007.15378) is the variance, over stamps and noise, of what Gaussian noise on the input changes in the output,
averaged over the outputs; it needs no labels, and a lower one shall mean a network that generalises better. As
embeddings of different networks have different scales, it is given relative to the variance of the embeddings over the
stamps, too. The labels' word is the balanced accuracy of a logistic regression on 25 labels a class, over the same
draws of 1,600 galaxies for all.
"""

import platform
import time
from pathlib import Path

import keras
import numpy as np
from efigi import CLASSES, SIDE, arguments, interval, records, write
from scipy.stats import spearmanr

import astrokeras as ak
from astrokeras.survey.tables import markdown
from astrokeras.tasks.classification import classification_scores
from astrokeras.tasks.logistic import linear_probe

TASKS = ("contrastive", "rotation", "photometry")
NOISE = (0.3, 1.0, 3.0)  # standard deviations, in units of the sky noise of each band
GALAXIES, STAMPS, DRAWS, LABELS, TEST, EPOCHS, SMALL = 1600, 200, 5, 25, 800, 2, 32


def encoders(opened: "ak.Records", weights: Path, work: Path) -> dict[str, keras.Model]:
    """Return what is to be ranked."""
    keras.utils.set_random_seed(0)
    found = {
        "MobileNetV2, ImageNet": ak.build_encoder(opened, backbone="mobilenet_v2", resize=SIDE, weights=weights),
        "MobileNetV2, untrained": ak.build_encoder(opened, backbone="mobilenet_v2", resize=SIDE),
        "compact, untrained": ak.build_encoder(opened, resize=SMALL),
    }
    for task in TASKS:
        out = work / f"rank-{task}"
        if not (out / "encoder.keras").is_file():
            ak.pretrain(opened, out, task=task, epochs=EPOCHS, resize=SMALL, overwrite=True)
        found[f"compact, {task}"] = keras.saving.load_model(out / "encoder.keras")
    return found


def sensitivities(encoder: keras.Model, flux: np.ndarray, noise: np.ndarray) -> list[tuple[float, float]]:
    """Output sensitivity for each of `NOISE`, as it is, and relative to the variance of the embeddings."""
    rng = np.random.default_rng(0)
    still = encoder.predict(flux, batch_size=64, verbose=0)
    found = []
    for factor in NOISE:
        shaken = flux + (factor * noise * rng.normal(size=flux.shape)).astype(np.float32)
        change = encoder.predict(shaken, batch_size=64, verbose=0) - still
        plain = float(change.mean(axis=1).var())
        found.append((plain, float(change.var(axis=0).sum() / still.var(axis=0).sum())))
    return found


def judge(vectors: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Balanced accuracy of each draw."""
    found = []
    for draw in range(DRAWS):
        order = np.random.default_rng(draw).permutation(len(vectors))
        test, pool = order[:TEST], order[TEST:]
        numbers = np.full(len(vectors), -1)
        for number in range(len(CLASSES)):
            numbers[pool[classes[pool] == number][:LABELS]] = number
        chances = linear_probe(vectors, numbers, len(CLASSES), 0)[test]
        found.append(classification_scores(classes[test], chances)["balanced_accuracy"])
    return np.array(found)


def main() -> None:
    given = arguments(__doc__)
    began = time.perf_counter()
    opened = records(given.data, given.work)
    arrays = opened.arrays("train", ("flux", "label"))
    judged = np.random.default_rng(0).permutation(len(arrays["label"]))[:GALAXIES]
    flux, classes = arrays["flux"][judged], arrays["label"][judged]
    some = flux[:STAMPS]
    rows, scores, measured = [], [], []
    for name, encoder in encoders(opened, given.weights, given.work).items():
        found = sensitivities(encoder, some, np.array(opened.noise))
        score = judge(encoder.predict(flux, batch_size=64, verbose=0), classes)
        scores.append(score.mean())
        measured.append([value for pair in found for value in pair])
        rows.append([name, "{:.3f} ± {:.3f}".format(*interval(score)), *(f"{value:.2g}" for value in measured[-1])])
        print(rows[-1], flush=True)
    ranks = [spearmanr(-column, scores).statistic for column in np.array(measured).T]
    rows.sort(key=lambda row: row[1], reverse=True)
    rows.append(["rank correlation with the score", "–", *(f"{rank:+.2f}" for rank in ranks)])
    head = ["encoder", "balanced accuracy", *(f"{f:g}σ, {kind}" for f in NOISE for kind in ("as it is", "relative"))]
    minutes = (time.perf_counter() - began) / 60
    stamp = f"Run on {time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {minutes:.0f} minutes."
    write("rank", f"{stamp}\n\n{markdown(head, rows)}")


if __name__ == "__main__":
    main()
