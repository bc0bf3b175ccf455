"""Any amount into a folder: the same rows as the frame, in files anybody reads."""

import json
import shutil

import duckdb
import httpx
import pandas as pd
import pytest
from test_windows import BEGIN, DAY, SECOND, Plant, iso

import immune_nb as im
from immune_nb.frames import folder as folders
from immune_nb.frames.decode import decode, part_of
from immune_nb.frames.folder import Folder
from immune_nb.frames.schemas import READINGS
from immune_nb.frames.sheets import Sheet
from immune_nb.frames.wide import widen

RANGE = {"start": iso(BEGIN), "end": iso(BEGIN + 10 * DAY)}


def plant(**how):
    return Plant([BEGIN + n * 600 * SECOND for n in range(1440)], page=50, **how)


@pytest.mark.parametrize("filters", [True, False])
def test_a_folder_holds_the_rows_of_the_frame(tmp_path, filters):
    """Side by side or behind the cursor: the same rows, whole, with a receipt; DuckDB reads them."""
    frame = plant(filters=filters).session().readings(**RANGE)
    dataset = plant(filters=filters).session().readings(**RANGE, to=tmp_path / "out")
    assert (dataset.rows, dataset.receipt["complete"]) == (1440, True)
    got = dataset.to_pandas().sort_values(["timestamp", "sensor_id"], ignore_index=True)
    assert got["id"].tolist() == frame["id"].tolist()
    assert got["value"].tolist() == frame["value"].tolist()
    assert json.loads((tmp_path / "out" / "_receipt.json").read_text())["rows"] == 1440
    files = f"{tmp_path}/out/*.parquet"
    assert duckdb.sql(f"select count(*), count(distinct id) from '{files}'").fetchall() == [(1440, 1440)]


def test_files_are_written_as_rows_come(tmp_path):
    """Several sensors and several files each: no more than a file's rows are held."""
    folder = Folder(tmp_path / "out", READINGS)
    for n in range(3):
        records = [{"id": f"{n}-{k}", "timestamp": iso(BEGIN + k), "value": k} for k in range(5)]
        folder.write(0, [part_of(Sheet(5, None, records), READINGS)])
    dataset = folder.close({"rows": 15, "complete": True})
    assert len(dataset.files) == 3
    assert dataset.arrow.count_rows() == 15
    assert "15 rows in 3 files, complete" in repr(dataset)


def test_files_that_disagree_are_made_to_agree(tmp_path):
    """F34: a field is a number in one file, text in the next, missing in the third: one dataset, nothing lost."""
    folder = Folder(tmp_path / "out", READINGS)
    for extra in ({"x": 1}, {"x": "one"}, {}, {"x": [1, {"y": None}]}):
        folder.write(0, [part_of(Sheet(1, None, [{"id": "a", **extra}]), READINGS)])
    frame = folder.close({"rows": 4, "complete": True}).to_pandas()
    assert [None if pd.isna(x) else json.loads(x) for x in frame["x"]] == [1, "one", None, [1, {"y": None}]]


def test_what_was_taken_back_is_gone(tmp_path):
    """A list begun anew leaves no file behind, nor one that was on its way."""
    folder = Folder(tmp_path / "out", READINGS)
    one = [part_of(Sheet(1, None, [{"id": "a"}]), READINGS)]
    before = folder.epoch(0)
    folder.write(0, one, before)
    folder.forget(0)
    folder.write(0, [part_of(Sheet(1, None, [{"id": "late"}]), READINGS)], before)
    folder.write(0, [part_of(Sheet(1, None, [{"id": "b"}]), READINGS)], folder.epoch(0))
    assert folder.close({"rows": 1, "complete": True}).to_pandas()["id"].tolist() == ["b"]


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    """Nothing of the user's is overwritten, and nothing is asked for."""
    (tmp_path / "mine.txt").write_text("x")
    server = plant()
    with pytest.raises(im.QueryError, match="not an empty folder"):
        server.session().readings(**RANGE, to=tmp_path)
    with pytest.raises(im.QueryError, match="neither wide nor cache"):
        server.session().readings(**RANGE, to=tmp_path / "new", wide=True)
    assert server.asked == []


def test_a_failure_leaves_what_came_and_says_so(tmp_path):
    """F06: IncompleteError names the folder; the receipt in it is not complete."""
    server, seen = plant(), []

    def failing(request):
        seen.append(request)
        return httpx.Response(503) if len(seen) > 5 else server(request)

    profile = im.Profile("lab", "https://api.example/v1")
    from immune_nb.auth.chain import find_credentials
    from immune_nb.session import Session

    made = find_credentials(profile, {}, api_key="k")
    session = Session(profile, made, transport=httpx.MockTransport(failing), sleep=lambda s: None)
    with pytest.raises(im.IncompleteError, match="They are in .*out"):
        session.readings(**RANGE, to=tmp_path / "out")
    receipt = json.loads((tmp_path / "out" / "_receipt.json").read_text())
    assert receipt["complete"] is False
    assert receipt["rows"] == duckdb.sql(f"select count(*) from '{tmp_path}/out/*.parquet'").fetchall()[0][0] > 0


def test_nothing_is_a_dataset_too(tmp_path):
    """No rows: no files, and a frame without rows."""
    dataset = Plant([]).session().readings(**RANGE, to=tmp_path / "out")
    assert (dataset.rows, len(dataset.to_pandas()), dataset.files) == (0, 0, ())
    assert folders.ROWS > 0


def test_wide_has_a_row_per_instant_and_a_column_per_sensor():
    """Every value is where its instant and sensor say; the receipt counts the rows there are."""
    server = Plant([BEGIN + n // 2 * 60 * SECOND for n in range(40)])
    wide = server.session().readings(**RANGE, wide=True)
    long = server.session().readings(**RANGE)
    assert wide.columns.tolist() == ["timestamp", "s0", "s1"]
    assert wide.attrs["immune"]["rows"] == len(wide) == 20
    for row in long.itertuples():
        assert wide.loc[wide["timestamp"] == row.timestamp, row.sensor_id].tolist() == [row.value]


def test_several_readings_of_an_instant_are_several_rows():
    """Nothing is averaged away; what has no sensor or time has a place too, and no rows make no columns."""
    at = iso(BEGIN)
    rows = [("a", 1), ("a", 2), ("b", 3), (None, 4)]
    frame, _ = decode([{"sensor_id": s, "timestamp": at, "value": v} for s, v in rows], READINGS)
    wide = widen(frame)
    assert wide["a"].tolist() == [1, 2]
    assert wide["b"].fillna(0).tolist() == [3, 0]
    assert wide[""].fillna(0).tolist() == [4, 0]
    assert widen(decode([], READINGS)[0]).columns.tolist() == ["timestamp"]


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    """At once, where it cannot be made; and where it is taken away while rows come, instead of a bare OSError."""
    with pytest.raises(im.QueryError, match="'/dev/null/out' cannot be written"):
        plant().session().readings(**RANGE, to="/dev/null/out")

    class Removing(Plant):
        def __call__(self, request):
            shutil.rmtree(tmp_path / "out", ignore_errors=True)
            return super().__call__(request)

    with pytest.raises(im.QueryError, match="out' cannot be written"):
        Removing([BEGIN + n * 600 * SECOND for n in range(1440)]).session().readings(**RANGE, to=tmp_path / "out")
