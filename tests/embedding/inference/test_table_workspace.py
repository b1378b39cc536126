import pytest

from astrokeras.embedding.inference.table_workspace import TableWorkspace, same
from astrokeras.errors import AstrokerasError

PLAN = {
    "version": "1", "kind": "embeddings", "encoder": {"path": "e", "sha256": "1"}, "images": None,
    "records": {"path": "r", "fingerprint": "f"}, "options": {"split": "all", "batch_size": 256},
}  # fmt: skip


def test_what_is_done_is_kept_for_the_same_work_alone(tmp_path):
    out = tmp_path / "e.parquet"
    with TableWorkspace.opened(out) as workspace:
        workspace.begin(PLAN, overwrite=False)
        (workspace.results / "000000.npz").touch()
    with TableWorkspace.opened(out) as workspace:
        assert workspace.kept == 1
        workspace.begin({**PLAN, "encoder": {"path": "elsewhere", "sha256": "1"}}, overwrite=False)
        assert workspace.kept == 1
        for change, said in [
            ({"options": {"split": "test", "batch_size": 256}}, "--split was all and is test"),
            ({"encoder": {"path": "e", "sha256": "2"}}, "the network was another"),
            ({"records": {"path": "r", "fingerprint": "g"}}, "the records or images were others"),
            ({"version": "2"}, "astrokeras was 1 and is 2"),
            ({"images": {}}, "what it was made from"),
        ]:
            with pytest.raises(AstrokerasError, match=f"unfinished work on .* but {said}.*use --overwrite"):
                workspace.begin({**PLAN, **change}, overwrite=False)
        assert workspace.kept == 1
        workspace.begin({**PLAN, "version": "2"}, overwrite=True)
        assert workspace.kept == 0
    assert list(tmp_path.iterdir()) == []


def test_one_at_a_time(tmp_path):
    with (
        TableWorkspace.opened(tmp_path / "e.parquet"),
        pytest.raises(AstrokerasError, match="another run is at work"),
        TableWorkspace.opened(tmp_path / "e.parquet"),
    ):
        pass


def test_metadata_of_another_program_is_not_the_same():
    assert same(PLAN, PLAN)
    assert not same({}, PLAN)
    assert not same({**PLAN, "encoder": "e"}, PLAN)
