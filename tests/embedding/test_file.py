"""Files of embeddings from anybody: read in blocks, or refused in a line."""

import struct

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from astrokeras.embedding.file import EmbeddingsFile, check_same_space, schema
from astrokeras.errors import AstrokerasError
from astrokeras.records.objects import Column
from tests.embedding.samples import described, grouped, rewrite, sample, write


def test_blocks_are_the_vectors_in_order(tmp_path):
    vectors, _ = grouped(130)
    file = EmbeddingsFile.open(write(tmp_path / "e.parquet", vectors, group_rows=37))
    assert (file.rows, file.width) == vectors.shape
    starts, parts = zip(*file.blocks(16), strict=True)
    assert max(len(part) for part in parts) <= 16
    assert list(starts) == np.cumsum([0, *(len(part) for part in parts[:-1])]).tolist()
    np.testing.assert_array_equal(np.concatenate(parts), vectors)


def test_what_the_head_says(tmp_path):
    about = {"encoder": {"name": "x", "sha256": "ab"}, "records": {"path": "/there", "fingerprint": "f"}}
    file = EmbeddingsFile.open(sample(tmp_path / "e.parquet", about=about, further={"z": np.zeros(120)}))
    assert (file.encoder_sha256, file.records_path, file.columns) == ("ab", "/there", ("z",))
    bare = EmbeddingsFile.open(sample(tmp_path / "bare.parquet", about={"encoder": 3, "records": {"path": 4}}))
    assert (bare.encoder_sha256, bare.records_path) == (None, None)


def test_a_carried_column_cannot_take_a_name_of_the_file_s_own():
    with pytest.raises(ValueError, match="'RA' would stand twice"):
        schema(4, {"RA": Column("float64")})


def _embedding(values, kind):
    return lambda table: table.set_column(
        table.schema.get_field_index("embedding"), "embedding", pa.array(values, kind)
    )


VECTOR = pa.list_(pa.float32(), 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop_columns(["embedding"]), "has no column 'embedding', expected an embeddings file"),
        (lambda table: table.drop_columns(["id"]), "has no column 'id'"),
        (_embedding([[0.0], [1.0]] * 60, pa.list_(pa.float32())), "holds list<.*>, expected a fixed-size list"),
        (_embedding([[1, 2]] * 120, pa.list_(pa.int32(), 2)), "expected a fixed-size list of float32"),
        (lambda table: table.append_column("ra", table["ra"]), "the column 'ra' stands there twice"),
    ],
)
def test_columns_that_are_not_those_of_embeddings(tmp_path, change, message):
    path = rewrite(sample(tmp_path / "e.parquet"), change)
    with pytest.raises(AstrokerasError, match=message):
        EmbeddingsFile.open(path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[0.0, 1.0]] * 70 + [[np.nan, 0.0]] + [[0.0, 0.0]] * 49, "the embedding in row 70 is not finite"),
        ([[0.0, 1.0]] * 119 + [[0.0, -np.inf]], "the embedding in row 119 is not finite"),
        ([[0.0, 1.0]] * 3 + [None] + [[0.0, 0.0]] * 116, "row 3 has no embedding"),
    ],
)
def test_vectors_that_are_none(tmp_path, values, message):
    path = rewrite(sample(tmp_path / "e.parquet"), _embedding(values, VECTOR))
    with pytest.raises(AstrokerasError, match=message):
        list(EmbeddingsFile.open(path).blocks(50))


def test_numbers_whose_sum_is_not_finite_are_finite_all_the_same(tmp_path):
    vectors = np.full((4, 2), 3e38, np.float32)
    (block,) = (block for _, block in EmbeddingsFile.open(write(tmp_path / "e.parquet", vectors)).blocks())
    np.testing.assert_array_equal(block, vectors)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({b"astrokeras": b"{"}, "what its head says of the embeddings is damaged"),
        ({b"astrokeras": b"[" * 100_000}, "damaged"),
        (described(format=2), "holds 'embeddings' of format 2, this astrokeras reads"),
        (described(kind="catalogue"), "holds 'catalogue' of format 1"),
    ],
)
def test_heads_that_say_something_else(tmp_path, metadata, message):
    path = rewrite(sample(tmp_path / "e.parquet"), lambda table: table, metadata)
    with pytest.raises(AstrokerasError, match=message):
        EmbeddingsFile.open(path)


def test_files_that_are_none(tmp_path):
    with pytest.raises(AstrokerasError, match="there is no file"):
        EmbeddingsFile.open(tmp_path / "none.parquet")
    for content in (b"", b"PAR1", b"id,ra\n1,2\nlonger than twelve bytes\n"):
        (tmp_path / "text.parquet").write_bytes(content)
        with pytest.raises(AstrokerasError, match="is no Parquet file"):
            EmbeddingsFile.open(tmp_path / "text.parquet")
    whole = sample(tmp_path / "e.parquet").read_bytes()
    (tmp_path / "head.parquet").write_bytes(whole[:-8] + struct.pack("<I", 1 << 30) + b"PAR1")
    with pytest.raises(AstrokerasError, match="a head of 1,073,741,824 bytes"):
        EmbeddingsFile.open(tmp_path / "head.parquet")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1" + whole[len(whole) // 2 :])
    with pytest.raises(AstrokerasError, match=r"cut\.parquet"):
        list(EmbeddingsFile.open(tmp_path / "cut.parquet").blocks())


def test_any_damage_ends_in_one_of_our_lines(tmp_path):
    whole = bytearray(sample(tmp_path / "e.parquet", rows=30).read_bytes())
    rng, path, refused = np.random.default_rng(5), tmp_path / "damaged.parquet", 0
    for _ in range(60):
        damaged = bytearray(whole)
        for place in rng.integers(4, len(whole) - 8, 12):
            damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            for _ in EmbeddingsFile.open(path).blocks():
                pass
        except AstrokerasError:
            refused += 1
    assert refused > 10


def test_many_columns(tmp_path):
    path = tmp_path / "wide.parquet"
    table = pa.table({"id": ["a"], "embedding": pa.array([[0.0, 1.0]], VECTOR), **{f"c{i}": [0] for i in range(2100)}})
    parquet.write_table(table, path)
    with pytest.raises(AstrokerasError, match=r"has 2,102 columns, expected at most 2,000"):
        EmbeddingsFile.open(path)


def test_rows_that_take_no_room_in_the_file(tmp_path):
    path, rows = tmp_path / "claims.parquet", 1_000_000
    nothing = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(rows * 4, np.float32)), 4)
    parquet.write_table(pa.table({"id": np.zeros(rows, "U1"), "embedding": nothing}), path)
    file = EmbeddingsFile.open(path)
    assert path.stat().st_size < 100_000
    with pytest.raises(AstrokerasError, match=r"claims 1,000,000 embeddings of 4 numbers, 16,000,000 bytes"):
        file.check_memory(["embedding"], 10_000_000)


def test_files_that_cannot_be_compared(tmp_path):
    one, other = ({"encoder": {"sha256": name * 64}} for name in "ab")
    vectors, _ = grouped(9)
    first = EmbeddingsFile.open(write(tmp_path / "a.parquet", vectors, about=one))
    check_same_space(first, EmbeddingsFile.open(write(tmp_path / "b.parquet", vectors)))
    with pytest.raises(AstrokerasError, match="come from different encoders"):
        check_same_space(first, EmbeddingsFile.open(write(tmp_path / "c.parquet", vectors, about=other)))
    with pytest.raises(AstrokerasError, match=r"has embeddings of 8 numbers, .*narrow.parquet of 5"):
        check_same_space(first, EmbeddingsFile.open(write(tmp_path / "narrow.parquet", vectors[:, :5], about=one)))
