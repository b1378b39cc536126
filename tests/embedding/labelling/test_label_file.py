import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from astrokeras.embedding.labelling.label_file import LabelFile
from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.locking import Locked

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "labels.csv"


def filled(file: Path, *rows: tuple[str, str]) -> bytes:
    with LabelFile(file) as table:
        for row in rows:
            table.append(*row)
    return file.read_bytes()


def test_a_row_is_on_the_disk_when_append_returns(file, monkeypatch):
    synced = []
    with LabelFile(file) as table:
        monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(file.read_bytes()))
        table.append("7", "spiral")
    assert re.fullmatch(rb"id,label,time\n7,spiral,\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n", synced[-1])
    assert file.read_bytes() == synced[-1]


def test_odd_ids_and_labels_come_back(file):
    rows = {"007": "a,b", 'say "x"': "<b>", "=1+1": " spiral "}
    filled(file, *rows.items())
    with LabelFile(file) as table:
        assert table.labels == rows


def test_wherever_it_was_torn_all_whole_rows_stay(file):
    content = filled(file, ("1", "spiral"), ("2", 'a "b", c'), ("30", "smooth"))
    ends = [i + 1 for i, byte in enumerate(content) if byte == ord("\n")]
    for cut in range(ends[0], len(content) + 1):
        file.write_bytes(content[:cut])
        with LabelFile(file) as table:
            # A row that lacks nothing but its line end is whole.
            whole = sum(end - 1 <= cut for end in ends) - 1
            assert list(table.labels) == ["1", "2", "30"][:whole]
            assert table.mended == (0 if cut + 1 in ends else cut - ends[whole])
            table.append("new", "spiral")
        with LabelFile(file) as table:
            assert list(table.labels) == [*["1", "2", "30"][:whole], "new"]


def test_zeros_that_a_power_cut_leaves_are_taken_off(file):
    content = filled(file, ("1", "spiral"))
    file.write_bytes(content + b"2,spi" + bytes(300))
    with LabelFile(file) as table:
        assert (list(table.labels), table.mended) == (["1"], 305)
    assert file.read_bytes() == content


def test_undo_leaves_the_file_as_it_was(file):
    before = filled(file, ("1", "spiral"))
    with LabelFile(file) as table:
        table.append("2", "smooth")
        table.append("3", "smooth")
        table.undo("3")
        table.undo("2")
        assert table.labels == {"1": "spiral"}
    assert file.read_bytes() == before


def test_a_full_disk_takes_nothing_and_leaves_no_half_row(file, monkeypatch):
    before = filled(file, ("1", "spiral"))
    write, calls = os.write, []

    def full(descriptor, content):
        if calls:
            raise OSError(28, "No space left on device")
        calls.append(content)
        return write(descriptor, content[:4])

    with LabelFile(file) as table:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(AstrokerasError, match=r"cannot write .*labels\.csv: No space left"):
            table.append("2", "smooth")
        monkeypatch.setattr(os, "write", write)
        assert (file.read_bytes(), table.labels) == (before, {"1": "spiral"})
        table.append("2", "smooth")
    with LabelFile(file) as table:
        assert list(table.labels) == ["1", "2"]


def test_what_another_program_writes_stops_it(file, tmp_path):
    with LabelFile(file) as table:
        with file.open("a") as other:
            other.write("9,spiral,\n")
        with pytest.raises(AstrokerasError, match="was changed by another program; nothing was written"):
            table.append("1", "smooth")
        (tmp_path / "new").write_text("id,label,time\n")
        (tmp_path / "new").replace(file)
        with pytest.raises(AstrokerasError, match="was changed by another program"):
            table.append("1", "smooth")
    assert file.read_text() == "id,label,time\n"


def test_a_second_labeller_is_refused(file):
    script = (
        "import sys; from pathlib import Path; from astrokeras.embedding.labelling.label_file import LabelFile\n"
        "with LabelFile(Path(sys.argv[1])): print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as holder:  # fmt: skip
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(Locked, match=rf"at work on .*labels\.csv \(process {holder.pid} "), LabelFile(file):
            pass
        holder.kill()
    filled(file, ("1", "spiral"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"id,label\n1,spiral\n", "has the columns 'id,label', expected id,label,time; name another --out"),
        (b"secret diary", "has the columns 'secret diary'"),
        (b"secret,diary\nof last wee", "has the columns 'secret,diary'"),
        (b"id,label,time\n1,spiral\n", "line 2: expected id,label,time"),
        (b"id,label,time\n1,\xff,\n", "cannot be read as a table of labels"),
        (b'id,label,time\n"1,spiral,x\n', "cannot be read as a table of labels"),
        (b"id,label,time\n" + b"9" * 200_000 + b",a,b\n", "cannot be read as a table of labels"),
    ],
)
def test_a_file_that_is_no_such_table_is_left_alone(file, content, message):
    file.write_bytes(content)
    with pytest.raises(AstrokerasError, match=re.escape(message)), LabelFile(file):
        pass
    assert file.read_bytes() == content


def test_names_that_cannot_be_such_a_file(tmp_path):
    with pytest.raises(UsageError, match=r"ends in \.csv"):
        LabelFile(tmp_path / "labels.parquet")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(AstrokerasError, match="no regular file"), LabelFile(tmp_path / "folder.csv"):
        pass
