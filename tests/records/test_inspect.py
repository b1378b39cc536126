import json
from pathlib import Path

from astrokeras.records.inspect import describe_records


def row(text: str, name: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.split()[:1] == [name]]
    return line.split()


def test_every_count_is_told(sample_records: Path):
    content = json.loads((sample_records / "convert.json").read_text())
    text = describe_records(content)
    assert text.startswith(f"survey: {sum(split['count'] for split in content['splits'].values())} stamps of 32×32")
    assert row(text, "split")[4:] == ["unlabelled", *content["classes"]]
    for name, split in content["splits"].items():
        counts = [split["count"], len(split["shards"]), split["unlabelled"], *split["labels"].values()]
        cells = row(text, name)
        assert [int(cell) for cell in cells[1:3] + cells[4:]] == counts
    for index, band in enumerate(content["bands"]):
        cells = row(text, band)
        assert float(cells[2]) == float(f"{content['noise'][index]:.4g}")
        assert [int(c) for c in cells[3:]] == [split["magnitudes"][band] for split in content["splits"].values()]
    rejected = text.splitlines()[-1]
    assert rejected.startswith(f"{sum(content['rejects'].values())} of {content['rows']} ")
    assert all(f"{count} {reason}" in rejected for reason, count in content["rejects"].items())


def test_columns_are_aligned(sample_records: Path):
    lines = describe_records(json.loads((sample_records / "convert.json").read_text())).splitlines()
    for start in (2, 7):
        table = lines[start : start + 4]
        assert len({len(line) for line in table}) == 1
