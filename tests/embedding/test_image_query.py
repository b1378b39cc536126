"""What is like an image file."""

import json

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from astrokeras.config import ConvertConfig, EmbedConfig, SearchConfig, configure
from astrokeras.embedding.embed import embed
from astrokeras.embedding.file import EmbeddingsFile
from astrokeras.embedding.image_query import _as_template
from astrokeras.embedding.search import search
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.models.encoder import build_encoder
from astrokeras.records.conversion.convert import convert
from astrokeras.records.directory import RecordsDirectory
from astrokeras.records.picture import CELL, HEAD
from astrokeras.survey.tables import read_table
from tests.embedding.samples import grouped, rewrite, write

SHIPPED = "sdss-gri-compact"


def quiet(run, config):
    return run(config, lambda line: None)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A directory of colour pictures, their records, and their embeddings by an encoder of the package."""
    path = tmp_path_factory.mktemp("photographs")
    (path / "images").mkdir()
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:88, :88] - 43.5
    for number in range(8):
        light = 200 * np.exp(-(x**2 + (1 + number) * y**2) / (40 + 30 * number))[..., None]
        levels = 20 + rng.normal(0, 5, (88, 88, 3)) + light * rng.uniform(0.3, 1, 3)
        Image.fromarray(levels.clip(0, 255).astype(np.uint8)).save(path / f"images/object {number}.png")
    (path / "catalog.csv").write_text("id,z\n" + "".join(f"object {number},0.1\n" for number in range(8)))
    options = {"images": f"{path}/images/{{id}}.png", "bands": ("i", "r", "g"), "size": 88, "splits": "train=1"}
    carried = {"catalog": str(path / "catalog.csv"), "columns": ("z",)}
    quiet(convert, configure(ConvertConfig, **options, **carried, out=str(path / "records")))
    quiet(embed, EmbedConfig(encoder=SHIPPED, data=str(path / "records"), out=str(path / "e.parquet")))
    return path


def find(path, out, said=None, **options):
    options = {"count": 3, **options}
    result = search(SearchConfig(str(path), str(out), **options), ([] if said is None else said).append)
    return read_table(out), result


def test_a_picture_of_an_object_finds_that_object_first(photographs, tmp_path):
    image, sheet = str(photographs / "images/object 3.png"), tmp_path / "s.png"
    said = []
    table, result = find(photographs / "e.parquet", tmp_path / "t.ecsv", said, image=(image,), sheet=str(sheet))
    assert [line for line in said if "catalog" in line] == [], "the catalogue is of the search's own making"
    assert list(table["query"]) == [image] * 3
    assert table["id"][0] == "object 3"
    assert table["distance"][0] == pytest.approx(0, abs=1e-6) and table["distance"][1] > 1e-5
    assert result["queries"] == 1
    with Image.open(sheet) as drawn:
        first, second = (np.asarray(drawn)[HEAD : HEAD + CELL, start:][:, :CELL] for start in (0, CELL + 4))
    assert np.abs(first.astype(int) - second).max() <= 1, "the image stands before the object that it shows"


def test_images_and_objects_may_be_asked_for_together(photographs, tmp_path):
    image = str(photographs / "images/object 3.png")
    both = {"image": (image, image), "id": ("object 5",), "encoder": SHIPPED}
    table, result = find(photographs / "e.parquet", tmp_path / "each.csv", **both)
    assert list(dict.fromkeys(table["query"])) == ["object 5", image] and len(table) == 6
    assert result["queries"] == 2, "each image once"
    table, _ = find(photographs / "e.parquet", tmp_path / "together.csv", together=True, **both)
    assert set(table["query"]) == {f"object 5 {image}"}
    assert table["id"][0] == "object 3" and "object 5" not in table["id"]


def test_images_that_cannot_be_used_are_one_line(photographs, tmp_path):
    (tmp_path / "small.png").write_bytes(b"")
    Image.new("RGB", (20, 20)).save(tmp_path / "small.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    Image.new("L", (88, 88)).save(tmp_path / "grey.png")
    for name, said in {
        "small.png": "too_small: .*20",
        "bad.png": "unreadable_image: .*bad.png",
        "grey.png": "wrong_bands: .*1 colour channels, expected 3",
        "none.png": "missing_image: .*none.png does not exist",
    }.items():
        with pytest.raises(AstrokerasError, match=said) as caught:
            find(photographs / "e.parquet", tmp_path / "t.csv", image=(str(tmp_path / name),))
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "t.csv").exists()


def test_encoders_that_did_not_make_the_embeddings_are_refused(photographs, tmp_path):
    image = str(photographs / "images/object 3.png")
    with pytest.raises(AstrokerasError, match="--encoder sdss-gri-mobilenet is not the encoder that made"):
        find(photographs / "e.parquet", tmp_path / "t.csv", image=(image,), encoder="sdss-gri-mobilenet")
    with pytest.raises(UsageError, match="--encoder goes with --image"):
        find(photographs / "e.parquet", tmp_path / "t.csv", id=("object 3",), encoder=SHIPPED)
    unsaid = write(tmp_path / "unsaid.parquet", grouped(9)[0])
    with pytest.raises(AstrokerasError, match="does not say which encoder made it"):
        find(unsaid, tmp_path / "t.csv", image=(image,), encoder=SHIPPED)
    stranger = write(tmp_path / "s.parquet", grouped(9)[0], about={"encoder": {"path": "/x.keras", "sha256": "0" * 64}})
    with pytest.raises(UsageError, match="name the run or encoder that made"):
        find(stranger, tmp_path / "t.csv", image=(image,))


def test_without_records_nothing_says_how_to_cut(photographs, tmp_path):
    image, alone = str(photographs / "images/object 3.png"), tmp_path / "e.parquet"
    alone.write_bytes((photographs / "e.parquet").read_bytes())
    about = EmbeddingsFile.open(alone).metadata | {"records": None}
    rewrite(alone, lambda table: table, {b"astrokeras": json.dumps(about).encode()})
    with pytest.raises(UsageError, match="does not say how its stamps were cut"):
        find(alone, tmp_path / "t.csv", image=(image,))
    table, _ = find(alone, tmp_path / "t.csv", image=(image,), records=str(photographs / "records"))
    assert table["id"][0] == "object 3"


def test_fluxes_in_a_file_for_each_band(tmp_path):
    rng, bands = np.random.default_rng(2), ("g", "r")
    (tmp_path / "images").mkdir()
    for number in range(6):
        for band in bands:
            pixels = rng.normal(0, 1, (24, 24)) + 30 * np.exp(
                -(np.mgrid[-12:12, -12:12] ** 2).sum(axis=0) / 2 / (number + 1)
            )
            header = fits.Header({"MAGZPT": 30.0})
            fits.writeto(tmp_path / f"images/o{number}_{band}.fits", pixels.astype(np.float32), header)
    template = f"{tmp_path}/images/{{id}}_{{band}}.fits"
    records = tmp_path / "records"
    options = {"images": template, "bands": bands, "size": 16, "zero_point": "header:MAGZPT", "splits": "train=1"}
    quiet(convert, configure(ConvertConfig, **options, out=str(records)))
    build_encoder(RecordsDirectory.load(records), backbone="compact").save(tmp_path / "encoder.keras")
    embedded = tmp_path / "e.parquet"
    quiet(embed, EmbedConfig(encoder=str(tmp_path / "encoder.keras"), data=str(records), out=str(embedded)))
    image = f"{tmp_path}/images/o4_{{band}}.fits"
    table, _ = find(embedded, tmp_path / "t.csv", image=(image,), encoder=str(tmp_path / "encoder.keras"))
    assert table["id"][0] == "o4" and table["distance"][0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("image", "template", "name"),
    [
        ("a.jpg", "{id}.jpg", "a"),
        ("/data/new/a.b.fits.gz", "/data/new/{id}.gz", "a.b.fits"),
        ("x/arc_{band}.fits", "x/{id}{band}.fits", "arc_"),
        ("x/{band}an.fits", "x/{band}{id}.fits", "an"),
        ("arc/{band}.fits", "{id}/{band}.fits", "arc"),
    ],
)
def test_a_file_is_a_template_of_itself(image, template, name):
    assert _as_template(image) == (template, name)
    assert template.format(id=name, band="g") == image.format(band="g")


@pytest.mark.parametrize("image", ["", "/", "{band}", "{id}.jpg", "a*.jpg", "a{b}.jpg", "a\x1b[31m.jpg"])
def test_what_is_no_file_name_is_refused(image):
    with pytest.raises(UsageError, match="expected the name of a file"):
        _as_template(image)
