import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from astrokeras.errors import AstrokerasError
from astrokeras.records.conversion.result import TaskResult
from astrokeras.records.conversion.run_task import run
from astrokeras.records.conversion.shard_writer import part_path
from astrokeras.records.conversion.task import ConversionTask, TaskInput
from astrokeras.records.example import decode
from astrokeras.records.tfrecord import checksum, read
from astrokeras.survey import cutting
from astrokeras.survey.cutting import Cutting
from astrokeras.survey.template import ImageTemplate
from astrokeras.survey.units import ZeroPoints
from tests.sky import noise_image, write_image

SIZE, SHAPE = 8, (40, 50)


def work_on(directory: Path, count: int, **changes) -> TaskInput:
    """A task of `count` rows (of a larger catalogue) down the middle of one field in two bands."""
    rows = np.arange(count) * 3 + 1
    task = ConversionTask(2, "A", rows, np.linspace(5, 44, count), np.linspace(5, 34, count), hash_inputs=True)
    task_input = TaskInput(
        task=task,
        cutting=Cutting(
            ImageTemplate(str(directory / "{field}_{band}.fits"), ("g", "r")), {}, ZeroPoints((31.4, 28.9)), SIZE, False
        ),
        max_bad_fraction=0.1,
        split_names=("train", "val", "test"),
        ids=np.array([f"object {i}" for i in range(count)]),
        split=np.arange(count) % 3,
        labels=np.arange(count) % 4 - 1,
        magnitudes=np.arange(2 * count, dtype=np.float32).reshape(count, 2),
        magnitude_errors=np.full((count, 2), np.nan, dtype=np.float32),
        columns={"z": np.arange(count) / 3},
        n_classes=3,
        directory=str(directory),
    )
    (directory / "parts").mkdir(exist_ok=True)
    return dataclasses.replace(task_input, **changes)


def rejects(done: TaskResult) -> list[tuple[int, str, str]]:
    return [(int(row), *done.why[code]) for row, code in zip(done.rejected, done.codes, strict=True)]


@pytest.fixture
def survey(tmp_path: Path) -> Path:
    for seed, band in enumerate("gr"):
        write_image(tmp_path / f"A_{band}.fits", noise_image(seed, SHAPE))
    return tmp_path


def test_every_row_goes_to_the_shard_of_its_split(survey: Path):
    task_input = work_on(survey, 12)
    done = run(task_input)
    assert sorted(done.kept) == sorted(task_input.task.rows)
    assert rejects(done) == []
    for index, split in enumerate(task_input.split_names):
        part = done.parts[split]
        examples = [decode(record) for record in read(part_path(survey, part.file))]
        mine = task_input.order[task_input.split[task_input.order] == index]
        assert part.shard.records == len(mine)
        assert part.labels == [int(np.sum(task_input.labels[mine] == i)) for i in range(3)]
        assert part.magnitudes == [len(mine)] * 2
        assert [example["id"].decode() for example in examples] == task_input.ids[mine].tolist()
        for i, example in zip(mine, examples, strict=True):
            assert example["label"].tolist() == [task_input.labels[i]]
            assert np.frombuffer(example["z"], "<f8") == task_input.columns["z"][i]
            np.testing.assert_array_equal(example["magnitudes"], task_input.magnitudes[i])
            stamp = np.frombuffer(example["image"], "<f4").reshape(SIZE, SIZE, 2)
            x, y = int(np.ceil(task_input.task.x[i])) - SIZE // 2, int(np.ceil(task_input.task.y[i])) - SIZE // 2
            for band, scale in ((0, 1), (1, 10)):
                window = noise_image(band, SHAPE)[y : y + SIZE, x : x + SIZE]
                np.testing.assert_allclose(stamp[..., band], window * scale, rtol=1e-6)
    sums = {entry["path"]: entry["crc32c"] for entry in done.inputs}
    assert sums == {str(path): checksum(path) for path in survey.glob("A_?.fits")}


def test_sky_is_that_of_the_training_stamps(survey: Path):
    task_input = work_on(survey, 60)
    done = run(task_input)
    assert done.sky.shape == done.noise.shape == (20, 2)
    np.testing.assert_allclose(np.median(done.sky, axis=0), [100, 1000], rtol=0.02)
    np.testing.assert_allclose(np.median(done.noise, axis=0), [5, 50], rtol=0.15)


def test_pieces_change_nothing(survey: Path, monkeypatch: pytest.MonkeyPatch):
    pixels = noise_image(0, SHAPE)
    pixels[12:18, 10:20] = np.nan
    (survey / "A_g.fits").unlink()
    write_image(survey / "A_g.fits", pixels)
    task_input = work_on(survey, 31, sky_stride=3, measure=True)
    monkeypatch.setattr(cutting, "PIECE_BYTES", 1 << 30)
    one = run(task_input)
    assert one.rejected.size and len(one.sky) == -(-one.parts["train"].shard.records // 3)
    for count in (1, 4):
        monkeypatch.setattr(cutting, "PIECE_BYTES", count * 4 * SIZE**2 * 2)
        many = run(task_input)
        for name in ("kept", "rejected", "codes", "sky", "noise"):
            np.testing.assert_array_equal(getattr(many, name), getattr(one, name))
        assert many.why == one.why
        unnamed = [{k: dataclasses.replace(p, file="") for k, p in done.parts.items()} for done in (one, many)]
        assert unnamed[0] == unnamed[1]  # checksums, too


def test_without_training_rows_there_is_no_sky(survey: Path):
    done = run(work_on(survey, 4, split=np.full(4, 2)))
    assert set(done.parts) == {"test"}
    assert done.sky.shape == (0, 2)


def test_a_worker_of_another_version_refuses(survey: Path):
    with pytest.raises(AstrokerasError, match=r"a worker runs astrokeras .*, expected 0\.0\.0"):
        run(work_on(survey, 4, version="0.0.0"))


def test_every_part_of_the_work_is_in_its_fingerprint_but_where_it_goes(survey: Path):
    task_input = work_on(survey, 6)
    assert dataclasses.replace(task_input, directory="elsewhere").fingerprint == task_input.fingerprint
    changes = {"max_bad_fraction": 0.2, "split": task_input.split[::-1], "ids": task_input.ids[::-1], "sky_stride": 2}
    changes["task"] = dataclasses.replace(task_input.task, x=task_input.task.x + 1e-9)
    prints = {dataclasses.replace(task_input, **{name: value}).fingerprint for name, value in changes.items()}
    assert len(prints | {task_input.fingerprint}) == len(changes) + 1


def test_bad_pixels_in_any_band_reject(survey: Path):
    pixels = noise_image(1, SHAPE)
    pixels[30:] = np.inf
    (survey / "A_r.fits").unlink()
    write_image(survey / "A_r.fits", pixels)
    task_input = work_on(survey, 12)
    done = run(task_input)
    first = np.ceil(task_input.task.y).astype(int) - SIZE // 2
    too_bad = np.clip(first + SIZE - 30, 0, SIZE) / SIZE > 0.1
    assert 0 < too_bad.sum() < 12
    assert sorted(done.kept) == task_input.task.rows[~too_bad].tolist()
    assert [(row, reason) for row, reason, _ in rejects(done)] == [
        (r, "bad_pixels") for r in task_input.task.rows[too_bad]
    ]
    assert all("band r" in detail for _, _, detail in rejects(done))
    assert len(run(dataclasses.replace(task_input, max_bad_fraction=1.0)).kept) == 12


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_field_that_cannot_be_read_rejects_its_rows(survey: Path, damage: str):
    path = survey / "A_r.fits"
    path.unlink() if damage == "missing" else path.write_bytes(path.read_bytes()[:4000])
    done = run(work_on(survey, 5))
    assert not done.parts
    assert {reason for _, reason, _ in rejects(done)} == {
        "missing_image" if damage == "missing" else "unreadable_image"
    }
    assert len(rejects(done)) == 5


IDS = ["whole", "small", "odd", "..", "grey", "absent", "x" * 300]


@pytest.mark.parametrize("pad", [False, True])
def test_one_file_an_object(tmp_path: Path, pad: bool):
    rng = np.random.default_rng(0)
    colours = {name: rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for name, shape in
               {"whole": (12, 10), "small": (6, 8), "odd": (9, 9)}.items()}  # fmt: skip
    for name, pixels in colours.items():
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    Image.fromarray(colours["whole"][..., 0]).save(tmp_path / "grey.png")
    template = ImageTemplate(str(tmp_path / "{id}.png"), ("r", "g", "b"))
    plain = work_on(tmp_path, len(IDS))
    nothing = np.full((len(IDS), 3), np.nan, dtype=np.float32)
    task_input = dataclasses.replace(
        plain, cutting=Cutting(template, {}, ZeroPoints(), SIZE, pad), ids=np.array(IDS),
        split=np.zeros(len(IDS), int), magnitudes=nothing, magnitude_errors=nothing,
    )  # fmt: skip
    done = run(task_input)
    reasons = {IDS[row // 3]: reason for row, reason, _ in rejects(done)}
    expected = {"..": "bad_name", "grey": "wrong_bands", "absent": "missing_image", "x" * 300: "missing_image"}
    assert reasons == (expected if pad else {"small": "too_small", **expected})
    name = done.parts["train"].file
    stamps = {
        example["id"].decode(): np.frombuffer(example["image"], "<f4").reshape(SIZE, SIZE, 3)
        for example in map(decode, read(part_path(tmp_path, name)))
    }
    np.testing.assert_array_equal(stamps["whole"], colours["whole"][2:10, 1:9])
    np.testing.assert_array_equal(stamps["odd"], colours["odd"][:8, :8])
    if pad:
        np.testing.assert_array_equal(stamps["small"][1:7], colours["small"])
        assert np.isnan(stamps["small"][[0, 7]]).all()
    together = hashlib.sha256("".join(checksum(tmp_path / f"{n}.png") for n in [*IDS[:3], "grey"]).encode()).hexdigest()
    (entry,) = done.inputs
    assert (entry["files"], entry["sha256"]) == (4, together)
