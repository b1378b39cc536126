"""Pages: what stands in them is data, and only their own script runs."""

import base64
import hashlib
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from astrokeras.embedding.pages.page import VIEWERS, check_page, packed, sprite_of, write_page
from astrokeras.errors import AstrokerasError, UsageError

HOSTILE = "</script><script>alert(1)</script><!-- \u2028 &amp; 'x' \"y\""


@pytest.mark.parametrize("name", ["map", "cluster"])
def test_data_come_back_and_close_nothing(tmp_path, name):
    write_page(tmp_path / "new" / "p.html", name, HOSTILE, {"title": HOSTILE, "numbers": [1, None]})
    text = (tmp_path / "new" / "p.html").read_text(encoding="utf-8")
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert json.loads(data) == {"title": HOSTILE, "numbers": [1, None]}
    assert text.count("<script") == text.count("</script") == 2
    assert "<title>&lt;/script&gt;" in text


@pytest.mark.parametrize("name", ["map", "cluster"])
def test_the_policy_names_the_checksums_of_script_and_style(tmp_path, name):
    write_page(tmp_path / "p.html", name, "t", {})
    text = (tmp_path / "p.html").read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    for element, directive in (("script", "script-src"), ("style", "style-src")):
        content = re.search(rf"<{element}>(.*?)</{element}>", text, re.DOTALL)[1]
        checksum = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{directive} 'sha256-{checksum}'" in policy
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    assert text.index("Content-Security-Policy") < text.index("<style>")


def test_not_a_number_is_no_data(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_page(tmp_path / "p.html", "map", "t", {"x": float("nan")})
    assert not (tmp_path / "p.html").exists()


@pytest.mark.parametrize("kind", [">f8", "<f4", ">u2"])
def test_numbers_are_little_endian(kind):
    values = np.array([1, 2, 300], kind)
    read = np.frombuffer(base64.b64decode(packed(values)), np.dtype(kind).newbyteorder("<"))
    np.testing.assert_array_equal(read, values)


@pytest.mark.parametrize("count", [1, 4, 5, 7])
def test_stamps_stand_row_by_row(count):
    pictures = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None] * 30, (count, 16, 16, 3))
    sprite = sprite_of(pictures)
    with Image.open(io.BytesIO(base64.b64decode(sprite["jpeg"]))) as image:
        pixels = np.asarray(image).astype(int)
    assert pixels.shape == (sprite["lines"] * 16, sprite["columns"] * 16, 3)
    assert sprite["lines"] * sprite["columns"] >= count > (sprite["lines"] - 1) * sprite["columns"]
    for number in range(count):
        line, column = divmod(number, sprite["columns"])
        assert abs(pixels[line * 16 + 8, column * 16 + 8] - number * 30).max() < 6


def test_a_page_lies_beside_its_table(tmp_path):
    out = tmp_path / "m.parquet"
    assert check_page(None, out, overwrite=False) == tmp_path / "m.html"
    assert check_page("p.htm", out, overwrite=False).name == "p.htm"
    with pytest.raises(UsageError, match=r"ends in \.html"):
        check_page("p.parquet", out, overwrite=False)
    (tmp_path / "m.html").touch()
    with pytest.raises(AstrokerasError, match="already exists"):
        check_page(None, out, overwrite=False)


def test_every_viewer_takes_a_position():
    assert all(
        address.startswith("https://") and "{ra}" in address and "{dec}" in address for address in VIEWERS.values()
    )
