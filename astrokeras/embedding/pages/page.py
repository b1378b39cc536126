"""Put a page together: markup, style, script, data and pictures in one file."""

import base64
import hashlib
import html
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from astrokeras import __version__
from astrokeras.embedding.result_table import check_free, write_whole
from astrokeras.errors import UsageError

_HERE = Path(__file__).parent
VIEWERS = {
    "aladin": "https://aladin.cds.unistra.fr/AladinLite/?target={ra}%20{dec}&fov=0.05",
    "legacysurvey": "https://www.legacysurvey.org/viewer?ra={ra}&dec={dec}&zoom=15",
    "sdss": "https://skyserver.sdss.org/dr18/VisualTools/navi?ra={ra}&dec={dec}&scale=0.2",
}
_QUALITY = 85


def write_page(path: Path, name: str, title: str, data: Mapping[str, Any]) -> None:
    """Write a page, whole or not at all.

    Only its own script runs in it: the policy in its head names the script's and the style's checksums and lets nothing
    be fetched. What comes from files stands in the data, and the script shows it as text.

    Args:
        path: of the page.
        name: of the folder here that it is made of: ``page.html`` is its body, and its scripts follow ``common.js`` in
            the order of their names.
        title: of the page.
        data: what the script reads; arrays by `packed`.

    Raises:
        AstrokerasError: it cannot be written.

    Example:
        >>> data = {"places": packed(places)}  # doctest: +SKIP
        >>> write_page(Path("map.html"), "map", "My survey", data)  # doctest: +SKIP
    """
    scripts = [_HERE / "common.js", *sorted((_HERE / name).glob("*.js"))]
    script = "".join(file.read_text(encoding="utf-8") for file in scripts)
    style = (_HERE / "common.css").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; img-src data: blob:; script-src '{_checksum(script)}'; style-src '{_checksum(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    # Within the element that holds it JSON is ended by nothing but this character.
    text = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    page = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="astrokeras {__version__}">
<title>{html.escape(title)}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
{(_HERE / name / "page.html").read_text(encoding="utf-8")}
<script type="application/json" id="data">{text}</script>
<script>{script}</script>
</body>
</html>
"""
    write_whole(path, lambda temporary: temporary.write_text(page, encoding="utf-8"))


def check_page(page: str | None, out: Path, *, overwrite: bool) -> Path:
    """Return where a page goes, beside the table unless it is named.

    Raises:
        UsageError: its name is not that of a page.
        AstrokerasError: it exists.
    """
    path = out.with_suffix(".html") if page is None else Path(page)
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--page {page}: expected a name that ends in .html")
    return check_free(path, overwrite=overwrite)


def packed(values: np.ndarray) -> str:
    """Return an array's little-endian bytes in base64, as ``unpack`` of the pages reads them."""
    return base64.b64encode(values.astype(values.dtype.newbyteorder("<")).tobytes()).decode()


def sprite_of(pictures: np.ndarray) -> dict[str, Any]:
    """Put pictures into one JPEG, row by row.

    Shapes:
        pictures ``[N, S, S, 3]`` uint8

    Returns:
        What ``stampOf`` of the pages reads: the JPEG in base64, the side of a stamp, columns and lines.
    """
    count, side = pictures.shape[:2]
    columns = int(np.ceil(np.sqrt(count)))
    lines = -(-count // columns)
    sheet = np.zeros((lines, columns, side, side, 3), np.uint8)
    sheet.reshape(-1, side, side, 3)[:count] = pictures
    whole = sheet.swapaxes(1, 2).reshape(lines * side, columns * side, 3)
    stream = io.BytesIO()
    Image.fromarray(whole).save(stream, "JPEG", quality=_QUALITY)
    jpeg = base64.b64encode(stream.getvalue()).decode()
    return {"jpeg": jpeg, "side": side, "columns": columns, "lines": lines}


def _checksum(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
