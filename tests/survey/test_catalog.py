import bz2
import dataclasses
import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from astrokeras.config import ConvertConfig, configure
from astrokeras.errors import UsageError
from astrokeras.survey.catalog import Catalog, bare_catalog, read_catalog

BIG = 2**60 + 1  # two such neighbours are the same float64


FORMATS = {".vot": "votable", ".tsv": "ascii.tab", ".txt": "ascii.commented_header", ".csv": "ascii.csv"}
COMPRESS = {".gz": gzip.compress, ".bz2": bz2.compress}


def write(table: Table, path: Path) -> None:
    if path.suffix not in COMPRESS:
        table.write(path, **({"format": FORMATS[path.suffix]} if path.suffix in FORMATS else {}))
        return
    write(table, path.with_suffix(""))
    path.write_bytes(COMPRESS[path.suffix](path.with_suffix("").read_bytes()))
    path.with_suffix("").unlink()


def read(path: Path, table: Table | str, **options) -> Catalog:
    if isinstance(table, str):
        path = path.with_suffix(".csv")
        path.write_text(table)
    else:
        table.write(path, overwrite=True)
    return read_catalog(
        configure(ConvertConfig, images="x", out="out", catalog=str(path), **{"bands": ("g", "r"), **options})
    )


def config_of(path: Path, **options) -> ConvertConfig:
    return configure(ConvertConfig, images="x", out="out", catalog=str(path), **{"bands": ("g", "r"), **options})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.fits"


def full_table() -> Table:
    return Table(
        {
            "ObjID": np.array([BIG, BIG + 1, 7]),
            "RA": [10.123456789, 20.0, 359.9],
            "Dec": [-1.0, 0.5, 89.0],
            "Tile": ["A", "B", "A"],
            "MAG_AUTO_g": [20.5, 99.0, 21.0],
            "MAG_AUTO_r": [19.5, 18.0, -99.0],
            "MAGERR_AUTO_g": [0.1, 99.0, 0.2],
            "MAGERR_AUTO_r": [0.1, -1.0, 0.2],
            "KIND": ["star", "", "galaxy"],
            "z": [0.1, 0.2, 1 / 3],
        }
    )


@pytest.mark.parametrize(
    "suffix",
    ["fits", "fits.gz", "fits.bz2", "ecsv", "ecsv.gz", "csv", "csv.gz", "tsv", "txt", "vot", "vot.gz", "parquet"],
)
def test_every_format_gives_the_same_catalogue(tmp_path: Path, suffix: str):
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    options = {"label": "kind", "columns": ("z",)}
    reference = read(tmp_path / "reference.fits", full_table(), **options)
    path = tmp_path / f"catalog.{suffix}"
    write(full_table(), path)
    catalog = read_catalog(
        configure(ConvertConfig, images="x", bands=("g", "r"), out="out", catalog=str(path), **options)
    )
    for field in dataclasses.fields(Catalog):
        np.testing.assert_equal(getattr(catalog, field.name), getattr(reference, field.name))


def test_usual_names_are_found_and_values_kept(path: Path):
    catalog = read(path, full_table(), label="KIND", columns=("Z",))
    assert catalog.ids.tolist() == [str(BIG), str(BIG + 1), "7"]
    assert catalog.fields.tolist() == ["A", "B", "A"]
    np.testing.assert_array_equal(catalog.ra, full_table()["RA"])
    assert catalog.x is None
    np.testing.assert_array_equal(catalog.magnitudes, np.float32([[20.5, 19.5], [np.nan, 18], [21, np.nan]]))
    np.testing.assert_array_equal(catalog.magnitude_errors, np.float32([[0.1, 0.1], [np.nan] * 2, [0.2, 0.2]]))
    assert catalog.classes == ("galaxy", "star")
    assert catalog.labels.tolist() == [1, -1, 0]
    assert catalog.columns["Z"].tolist() == [0.1, 0.2, 1 / 3]
    assert catalog.used["magnitudes"] == "MAG_AUTO_{band}"


def test_marks_of_missing_magnitudes_become_nan(path: Path):
    values = [99, -99, 99.9, -999, np.inf, -np.inf, np.nan, 1e300, 15.0, 20.0]
    masked = MaskedColumn(values, mask=[False] * 9 + [True])
    catalog = read(path, Table({"g": values, "r": masked}))
    assert np.flatnonzero(np.isfinite(catalog.magnitudes[:, 0])).tolist() == [8, 9]
    assert np.flatnonzero(np.isfinite(catalog.magnitudes[:, 1])).tolist() == [8]
    assert np.isnan(catalog.magnitude_errors).all()


@pytest.mark.parametrize(
    ("column", "classes", "labels"),
    [
        (["b", "", "a", "NaN", " a "], ("a", "b"), [1, -1, 0, -1, 0]),
        ([10, 2, -1, -99, 2], ("2", "10"), [1, 0, -1, -1, 0]),
        ([1.0, np.nan, 0.0, -1.0, np.inf], ("0", "1"), [1, -1, 0, -1, -1]),
        (MaskedColumn([3, 1, 1, 3, 3], mask=[0, 0, 1, 0, 1]), ("1", "3"), [1, 0, -1, 1, -1]),
        (MaskedColumn(["q", "s", "q", "s", "t"], mask=[0, 0, 0, 1, 1]), ("q", "s"), [0, 1, 0, -1, -1]),
        ([True, False, True, True, False], ("False", "True"), [1, 0, 1, 1, 0]),
    ],
    ids=["text", "integers", "floats", "masked integers", "masked text", "logical"],
)
def test_labels(path: Path, column: list, classes: tuple[str, ...], labels: list[int]):
    catalog = read(path, Table({"label": column}), label="label")
    assert catalog.classes == classes
    assert catalog.labels.tolist() == labels


def test_fractions_are_no_labels(path: Path):
    with pytest.raises(UsageError, match="fractions"):
        read(path, Table({"T": [0.5, 1.0]}), label="T")


def test_ids_of_csv_are_text(path: Path):
    catalog = read(path, f"objid,tile,x,y\n0042,007,1,2\n{BIG},08,3,4\n,9,5,6\n")
    assert catalog.ids.tolist() == ["0042", str(BIG), ""]
    assert catalog.fields.tolist() == ["007", "08", "9"]
    named = read(path, "plate,x,y\n0042,1,2\n", id_column="plate")
    assert named.ids.tolist() == ["0042"]


def test_masked_ids_are_empty_and_whole_floats_are_whole(path: Path):
    masked = MaskedColumn(np.array([BIG, 5, 6]), mask=[False, True, False])
    assert read(path, Table({"id": masked})).ids.tolist() == [str(BIG), "", "6"]
    assert read(path, Table({"id": [1.0, np.nan, 2.5]})).ids.tolist() == ["1", "", "2.5"]


def test_gaps_in_parquet_stay_gaps(tmp_path: Path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    kind = arrow.array([None, "s", "g"]).dictionary_encode()
    columns = {"id": [BIG, None, BIG + 1], "tile": ["a", None, "c"], "kind": kind, "z": [None, 1.0, float("nan")]}
    parquet.write_table(arrow.table(columns), path)
    catalog = read_catalog(
        configure(ConvertConfig, images="x", bands=("g",), out="out", catalog=str(path), label="kind", columns=("z",))
    )
    assert catalog.ids.tolist() == [str(BIG), "", str(BIG + 1)]
    assert catalog.fields.tolist() == ["a", "", "c"]
    assert catalog.labels.tolist() == [-1, 1, 0]
    np.testing.assert_array_equal(catalog.columns["z"], [np.nan, 1, np.nan])


def test_rows_without_ids_are_numbered(path: Path):
    ids = read(path, Table({"flux": [1.0, 2.0]})).ids
    assert len(set(ids)) == 2
    assert all(ids)


@pytest.mark.parametrize(
    ("columns", "origin", "offset"),
    [(("X", "Y"), None, 0), (("X_IMAGE", "Y_IMAGE"), None, 1), (("XWIN_IMAGE", "YWIN_IMAGE"), None, 1),
     (("X_IMAGE", "Y_IMAGE"), 0, 0), (("xcentroid", "ycentroid"), 1, 1)],
)  # fmt: skip
def test_pixel_positions_count_from_zero(path: Path, columns: tuple[str, str], origin: int | None, offset: int):
    catalog = read(path, Table({columns[0]: [10.5], columns[1]: [1.0]}), origin=origin)
    assert (catalog.x[0], catalog.y[0]) == (10.5 - offset, 1.0 - offset)


def test_angles_are_brought_to_degrees(path: Path):
    catalog = read(path.with_suffix(".ecsv"), Table({"ra": [1.0] * u.hourangle, "dec": [60.0] * u.arcmin}))
    assert (catalog.ra[0], catalog.dec[0]) == pytest.approx((15, 1))


@pytest.mark.parametrize(("unit", "factor"), [("hourangle", 15), ("rad", 180 / np.pi), ("h", 15), ("", 1), ("pix", 1)])
def test_right_ascension_in_any_unit(path: Path, unit: str, factor: float):
    catalog = read(path.with_suffix(".ecsv"), Table({"ra": u.Quantity([1.0], unit), "dec": u.Quantity([0.5], "deg")}))
    assert catalog.ra[0] == pytest.approx(factor)
    assert catalog.dec[0] == 0.5


def test_a_unit_that_nobody_knows_is_taken_for_degrees(path: Path):
    table = Table({"ra": [1.0], "dec": [2.0]})
    hdu = fits.table_to_hdu(table)
    hdu.header["TUNIT1"] = "degrees"
    hdu.writeto(path)
    catalog = read_catalog(configure(ConvertConfig, images="x", bands=("g",), out="out", catalog=str(path)))
    assert (catalog.ra[0], catalog.dec[0]) == (1, 2)


def test_rows_are_chosen_and_classes_come_from_them_alone(path: Path):
    catalog = read(path, full_table(), label="KIND", where="dec < 10 & kind != 'galaxy'")
    assert catalog.left_out.tolist() == [False, True, True]  # the second row's kind is missing
    assert catalog.classes == ("star",)
    assert catalog.labels.tolist() == [0, -1, -1]
    assert len(catalog) == 3
    assert not read(path, full_table()).left_out.any()


def test_fractions_among_rows_left_out_are_no_hindrance(path: Path):
    catalog = read(path, Table({"T": [0.5, 1.0]}), label="T", where="T > 0.7")
    assert catalog.labels.tolist() == [-1, 0]


def test_a_filter_called_y_is_no_position(path: Path):
    table = Table({"ra": [1.0], "dec": [2.0], **{band: [20.0] for band in "grizy"}})
    catalog = read(path, table, bands=tuple("grizy"))
    assert catalog.y is None
    assert catalog.magnitudes.tolist() == [[20.0] * 5]
    with pytest.raises(UsageError, match="--x-column"):
        read(path, table, y_column="y")


def test_bands_that_differ_in_case_alone_are_kept_apart(path: Path):
    catalog = read(path.with_suffix(".ecsv"), Table({"mag_z": [20.0], "mag_Z": [19.0]}), bands=("z", "Z"))
    assert catalog.magnitudes.tolist() == [[20.0, 19.0]]
    with pytest.raises(UsageError, match="two bands"):
        read(path, Table({"mag_z": [20.0]}), bands=("z", "Z"), magnitudes="mag_{band}")


def test_magnitudes_count_only_if_every_band_has_them(path: Path):
    catalog = read(path, Table({"MAG_AUTO_g": [20.0], "g_mag": [1.0], "r_mag": [2.0]}))
    assert catalog.used["magnitudes"] == "{band}_mag"
    assert np.isnan(read(path, Table({"MAG_AUTO_g": [20.0]})).magnitudes).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"label": "KINDS"}, "KIND"),
        ({"columns": ("redshft",)}, "redshift"),
        ({"ra_column": "RAA"}, "RA"),
        ({"magnitudes": "MAG_AUT_{band}"}, "MAG_AUTO_g"),
        ({"split_by": "feld"}, "FIELD"),
    ],
)
def test_a_column_that_is_not_there_brings_up_the_nearest(path: Path, options: dict, said: str):
    columns = ("KIND", "redshift", "RA", "DEC", "MAG_AUTO_g", "MAG_AUTO_r", "FIELD")
    with pytest.raises(UsageError, match=f"did you mean .*{said}"):
        read(path, Table({name: [1.0] for name in columns}), **options)


def test_text_and_arrays_are_no_numbers(path: Path):
    table = Table({"kind": ["star"], "aperture": [[1.0, 2.0]]})
    with pytest.raises(UsageError, match="text"):
        read(path, table, columns=("kind",))
    with pytest.raises(UsageError, match="2-dimensional"):
        read(path, table, columns=("aperture",))


def test_magnitudes_template_needs_a_band(path: Path):
    with pytest.raises(UsageError, match=r"\{band\}"):
        read(path, full_table(), magnitudes="MAG_AUTO_g")


def test_split_values_are_text(path: Path):
    assert read(path, Table({"group": [1, 1, 2]}), split_by="GROUP").split_values.tolist() == ["1", "1", "2"]


def test_a_bare_catalogue_knows_only_ids():
    catalog = bare_catalog(["a", "b"], 3)
    assert len(catalog) == 2
    assert catalog.magnitudes.shape == (2, 3)
    assert np.isnan(catalog.magnitudes).all()
    assert (catalog.labels == -1).all()


def test_several_columns_make_one_id(path: Path):
    table = Table({"run": [1, 1, 2], "obj": MaskedColumn(["a", "b", "c"], mask=[False, False, True]), "g": [20.0] * 3})
    catalog = read(path, table, id_column="RUN, obj", bands=("g",))
    assert catalog.ids.tolist() == ["1-a", "1-b", ""]
    assert catalog.used["id"] == "run,obj"
    with pytest.raises(UsageError, match="did you mean obj"):
        read(path.with_name("other.fits"), table, id_column="run,objj")


def test_columns_that_are_named_empty_are_left_alone(path: Path):
    catalog = read(path, full_table(), field_column="", magnitudes="", magnitude_errors="")
    assert catalog.fields is None
    assert np.isnan(catalog.magnitudes).all()
    assert "magnitudes" not in catalog.used


def test_bands_may_have_other_names_in_the_catalogue(path: Path):
    table = Table({"u_auto": [20.0], "J0378_auto": [21.0], "e_J0378_auto": [0.1], "e_u_auto": [0.2]})
    catalog = read(path, table, bands=("U", "F378"), catalog_bands=("u", "J0378"))
    np.testing.assert_allclose(catalog.magnitudes, [[20, 21]])
    np.testing.assert_allclose(catalog.magnitude_errors, [[0.2, 0.1]])
    with pytest.raises(UsageError, match="--catalog-bands u: expected one for each of U,F378"):
        read(path.with_name("other.fits"), table, bands=("U", "F378"), catalog_bands=("u",))


def test_fluxes_serve_where_no_magnitudes_are_named(path: Path):
    table = Table({"FLUX_G": [1.0, 100, 0], "FLUX_IVAR_G": [100.0, 0, 100], "mag_g": [1.0, 2, 3]})
    options = {"bands": ("g",), "fluxes": "flux_{band}", "flux_ivars": "flux_ivar_{band}", "flux_zero_point": 22.5}
    catalog = read(path, table, **options)
    np.testing.assert_allclose(catalog.magnitudes, [[22.5], [np.nan], [np.nan]])
    np.testing.assert_allclose(catalog.magnitude_errors, [[0.1086], [np.nan], [np.nan]], atol=1e-4)
    assert catalog.used["magnitudes"] == "flux_{band}"
    typed = read(path.with_name("other.fits"), table, magnitudes="mag_{band}", **options)
    np.testing.assert_allclose(typed.magnitudes, [[1], [2], [3]])
