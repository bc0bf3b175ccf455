"""Where the records are: the forms of many services as they document them, each found and read rightly."""

import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immune_nb.errors import BadReplyError
from immune_nb.frames.decode import assemble, decode, part_of
from immune_nb.frames.envelopes import find
from immune_nb.frames.meaning import without_zone
from immune_nb.frames.names import is_time_name
from immune_nb.frames.schemas import ANY
from immune_nb.frames.sheets import Reader

T = ["2024-01-20T15:30:00Z", "2024-01-20T15:31:00Z"]
E = [1705764600, 1705764660]
BODIES = {
    "SensorThings": {
        "@iot.count": 9,
        "value": [
            {
                "@iot.id": 1,
                "result": 1.5,
                "phenomenonTime": T[0],
                "Datastream": {"name": "a", "unitOfMeasurement": {"symbol": "C"}},
            }
        ],
    },
    "SensorThings data array": {
        "value": [
            {
                "Datastream@iot.navigationLink": "x",
                "components": ["id", "phenomenonTime", "result"],
                "dataArray": [[1, T[0], 1.5], [2, T[1], 2.5]],
            }
        ]
    },
    "GeoJSON, an id inside too": {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "id": "a",
                "geometry": {"type": "Point", "coordinates": [1, 2]},
                "properties": {"id": "x", "t": T[0]},
            }
        ],
        "numberMatched": 2,
    },
    "InfluxDB, two series and a statement without": {
        "results": [
            {
                "statement_id": 0,
                "series": [
                    {"name": "a", "tags": {"host": "h"}, "columns": ["time", "value"], "values": [[T[0], 1.5]]},
                    {"name": "b", "columns": ["time", "value"], "values": [[T[0], 2]]},
                ],
            },
            {"statement_id": 1},
        ]
    },
    "InfluxDB, nothing": {"results": [{"statement_id": 0}]},
    "Prometheus matrix": {
        "status": "success",
        "data": {
            "resultType": "matrix",
            "result": [{"metric": {"job": "a"}, "values": [[E[0] + 0.781, "1"], [E[1] + 0.781, "NaN"]]}],
        },
    },
    "Prometheus vector": {
        "status": "success",
        "data": {"resultType": "vector", "result": [{"metric": {"job": "a"}, "value": [E[0] + 0.5, "1.5"]}]},
    },
    "Graphite": [{"target": "a.b", "tags": {"x": "y"}, "datapoints": [[1.5, E[0]], [None, E[1]]]}],
    "OpenTSDB": [{"metric": "cpu", "tags": {"host": "a"}, "dps": {str(E[0]): 1.5, str(E[1]): 2}}],
    "Open-Meteo": {
        "latitude": 1.0,
        "hourly_units": {"time": "iso8601", "temp": "C"},
        "hourly": {"time": ["2024-01-20T15:00", "2024-01-20T16:00"], "temp": [1.0, None]},
    },
    "columns beside series": {"timestamps": E, "series": {"a": [1, 2], "b": [3.5, 4]}, "units": {"a": "C"}},
    "columns beside named series": {"timestamps": E, "series": [{"name": "a", "unit": "C", "values": [1, 2]}]},
    "pandas split": {"columns": [{"name": "time"}, {"name": "v", "unit": "mm/s"}], "index": [0], "data": [[T[0], 1]]},
    "pandas list": {"a": [1, 2], "b": ["x", "y"]},
    "ERDDAP": {
        "table": {
            "columnNames": ["time", "temp"],
            "columnTypes": ["String", "float"],
            "columnUnits": ["UTC", "C"],
            "rows": [[T[0], 1.5]],
        }
    },
    "Kusto": {
        "Tables": [
            {
                "TableName": "t",
                "Columns": [{"ColumnName": "TimeGenerated", "DataType": "datetime"}, {"ColumnName": "v"}],
                "Rows": [[T[0], 1]],
            }
        ]
    },
    "TDengine": {
        "code": 0,
        "column_meta": [["ts", "TIMESTAMP", 8], ["v", "FLOAT", 4]],
        "data": [[T[0], 1.5]],
        "rows": 1,
    },
    "ClickHouse": {
        "meta": [{"name": "ts", "type": "DateTime"}, {"name": "v", "type": "Float64"}],
        "data": [{"ts": T[0], "v": 1.5}],
        "rows": 1,
        "statistics": {"elapsed": 0.1},
    },
    "Azure Monitor": {
        "cost": 1,
        "value": [
            {
                "id": "x",
                "name": {"value": "cpu"},
                "unit": "Percent",
                "timeseries": [{"metadatavalues": [], "data": [{"timeStamp": T[0], "average": 1.5}]}],
            }
        ],
    },
    "CloudWatch": {
        "MetricDataResults": [
            {"Id": "m1", "Label": "cpu", "Timestamps": T, "Values": [1.5, 2], "StatusCode": "Complete"}
        ]
    },
    "ThingSpeak": {
        "channel": {"id": 9, "name": "c"},
        "feeds": [{"created_at": T[0], "entry_id": 1, "field1": "23.5"}],
    },
    "ThingsBoard": {
        "temperature": [{"ts": E[0] * 1000, "value": "23.5"}],
        "humidity": [{"ts": E[0] * 1000, "value": "40"}, {"ts": E[1] * 1000, "value": "41"}],
    },
    "SolarEdge": {
        "energy": {"timeUnit": "HOUR", "unit": "Wh", "values": [{"date": "2024-01-20 00:00:00", "value": 1.5}]}
    },
    "OpenWeather": {
        "cod": "200",
        "message": 0,
        "cnt": 1,
        "list": [{"dt": E[0], "main": {"temp": 1.5}}],
        "city": {"id": 1, "name": "x"},
    },
    "USGS": {
        "value": {
            "queryInfo": {"note": []},
            "timeSeries": [
                {
                    "variable": {"unit": {"unitCode": "ft"}},
                    "values": [
                        {
                            "value": [
                                {"value": "4.56", "qualifiers": ["P"], "dateTime": "2024-01-20T15:30:00.000-05:00"}
                            ],
                            "qualifier": [],
                        }
                    ],
                    "name": "s",
                }
            ],
        }
    },
    "Home Assistant": [
        [{"entity_id": "a", "state": "1.5", "last_changed": T[0]}],
        [{"entity_id": "b", "state": "2.5", "last_changed": T[1]}],
    ],
    "PI": {
        "Links": {"Next": "https://x"},
        "Items": [{"Timestamp": "2024-01-20T15:30:00.1234567Z", "Value": 1.5, "Good": True}],
    },
    "readings in sensors": {
        "sensors": [
            {"id": "vib", "unit": "mm/s", "readings": [{"ts": E[0], "v": 1}, {"ts": E[1], "v": 2}]},
            {"id": "tmp", "unit": "C", "readings": []},
        ],
        "nextPageToken": "x",
    },
    "one sensor's readings": {
        "sensor_id": "vib",
        "unit": "mm/s",
        "readings": [{"timestamp": T[0], "value": 1}],
        "next": None,
    },
    "a tree": {
        "line1": {
            "pump": {"temp": {"value": 1.5, "timestamp": T[0], "unit": "C"}, "vib": {"value": 2, "timestamp": T[0]}}
        },
        "line2": {"temp": {"value": 3, "timestamp": T[1]}},
    },
    "a tree of children": {
        "name": "plant",
        "children": [{"name": "line1", "children": [{"name": "vib", "value": 1, "timestamp": T[0]}]}],
    },
    "a map by id": {"vib_001": {"status": "online", "unit": "C"}, "tmp_001": {"status": "offline", "unit": "C"}},
    "a map in an envelope": {"sensors": {"vib_001": {"status": "online"}}, "next_cursor": None},
    "a map by time": {"2024-01-20T15:00:00Z": 1.5, "2024-01-20T16:00:00Z": 2},
    "Alpha Vantage": {
        "Meta Data": {"1": "x"},
        "Time Series": {"2024-01-19": {"open": "1.5"}, "2024-01-18": {"open": "1.25"}},
    },
    "rows under a header": [["name", "n"], ["x", 1], ["y", 2]],
    "rows without names": [[E[0], 1.5, 2], [E[1], 2.5, 3]],
    "pairs": [[E[0] * 1000, 1.5], [E[1] * 1000, 2.5]],
    "JSON:API": {
        "data": [
            {
                "type": "r",
                "id": "1",
                "attributes": {"value": 1.5, "type": "x"},
                "relationships": {"s": {"data": {"id": "y"}}},
            }
        ],
        "included": [{"id": "y"}],
    },
    "OData 2": {"d": {"results": [{"a": 1}], "__next": "x"}},
    "GraphQL": {
        "data": {"sensors": {"edges": [{"node": {"id": "a"}, "cursor": "x"}], "pageInfo": {"hasNextPage": False}}}
    },
    "FHIR": {
        "resourceType": "Bundle",
        "total": 1,
        "entry": [{"fullUrl": "x", "resource": {"resourceType": "Observation", "id": "1"}}],
    },
    "CKAN": {
        "help": "x",
        "success": True,
        "result": {"fields": [{"id": "a", "type": "int"}], "records": [{"a": 1}], "total": 1},
    },
    "NGSI": [{"id": "Room1", "type": "Room", "temperature": {"value": 23, "type": "Float", "metadata": {}}}],
    "the list that was asked for": {"sensors": [{"a": 1}], "alerts": [{"b": 2}]},
    "two lists, none asked for": {"pumps": [{"a": 1}], "alerts": [{"b": 2}]},
    "one record": {"id": "m1", "name": "pump", "tags": ["x"], "sensors": [{"id": "a"}], "limits": {"max": 2}},
    "one record in an envelope": {"data": {"id": "m1", "limits": {"max": 2}}, "status": "ok"},
    "a reading in an envelope": {"data": {"value": 1.5, "timestamp": T[0]}},
    "a list of text": {"sensors": ["a", "b"], "count": 2},
}

FOUND = {  # by body: where the records are, whether that is sure, how many rows, and the columns with their kinds
    "SensorThings": (
        "value[]",
        True,
        1,
        "@iot.id:int result:float phenomenonTime:us Datastream.name:text Datastream.unitOfMeasurement.symbol:text",
    ),
    "SensorThings data array": (
        "value[].components + dataArray",
        True,
        2,
        "Datastream@iot.navigationLink:text id:int phenomenonTime:us result:float",
    ),
    "GeoJSON, an id inside too": (
        "features[]",
        True,
        1,
        "type:text id:text geometry.type:text geometry.coordinates:mixed t:us properties.id:text",
    ),
    "InfluxDB, two series and a statement without": (
        "results[].series[].columns + values",
        True,
        2,
        "statement_id:int name:text tags.host:text time:us value:float",
    ),
    "InfluxDB, nothing": ("results[]", True, 0, ""),
    "Prometheus matrix": ("data.result[].values (pairs)", True, 2, "metric.job:text timestamp:us value:float"),
    "Prometheus vector": ("data.result[].value (pair)", True, 1, "metric.job:text timestamp:us value:float"),
    "Graphite": ("[].datapoints (pairs)", True, 2, "target:text tags.x:text timestamp:us value:float"),
    "OpenTSDB": ("[].dps (by time)", True, 2, "metric:text tags.host:text timestamp:us value:float"),
    "Open-Meteo": ("hourly (columns)", True, 2, "time:us temp:float"),
    "columns beside series": ("(columns)", True, 2, "timestamps:us a:int b:float"),
    "columns beside named series": ("(columns)", True, 2, "timestamps:us a:int"),
    "pandas split": ("(columns + data)", True, 1, "time:us v:int"),
    "pandas list": ("(columns)", True, 2, "a:int b:text"),
    "ERDDAP": ("table (columnNames + rows)", True, 1, "time:us temp:float"),
    "Kusto": ("Tables[].Columns + Rows", True, 1, "TableName:text TimeGenerated:us v:int"),
    "TDengine": ("(column_meta + data)", True, 1, "ts:us v:float"),
    "ClickHouse": ("data[]", True, 1, "ts:us v:float"),
    "Azure Monitor": (
        "value[].timeseries[].data[]",
        True,
        1,
        "id:text name.value:text unit:text metadatavalues:mixed timeStamp:us average:float",
    ),
    "CloudWatch": (
        "MetricDataResults[].columns",
        True,
        2,
        "Id:text Label:text StatusCode:text Timestamps:us Values:float",
    ),
    "ThingSpeak": ("feeds[]", True, 1, "created_at:us entry_id:int field1:float"),
    "ThingsBoard": ("(tree)", True, 3, "id:text ts:us value:float"),
    "SolarEdge": ("energy.values[]", True, 1, "unit:text date:us value:float"),
    "OpenWeather": ("list[]", True, 1, "dt:us main.temp:float"),
    "USGS": (
        "value.timeSeries[].values[].value[]",
        True,
        1,
        "variable.unit.unitCode:text name:text qualifier:mixed value:float qualifiers:mixed dateTime:us",
    ),
    "Home Assistant": ("[][]", True, 2, "entity_id:text state:float last_changed:us"),
    "PI": ("Items[]", True, 1, "Timestamp:ns Value:float Good:bool"),
    "readings in sensors": ("sensors[].readings[]", True, 3, "id:text unit:text ts:us v:int readings:mixed"),
    "one sensor's readings": ("readings[]", True, 1, "sensor_id:text unit:text timestamp:us value:int"),
    "a tree": (
        "(tree)",
        True,
        3,
        "path:text level_1:text level_2:text level_3:text value:float timestamp:us unit:text",
    ),
    "a tree of children": ("(tree)", True, 1, "path:text level_1:text level_2:text name:text value:int timestamp:us"),
    "a map by id": ("(map)", False, 2, "id:text status:text unit:text"),
    "a map in an envelope": ("sensors (map)", True, 1, "id:text status:text"),
    "a map by time": ("(map)", False, 2, "timestamp:us value:float"),
    "Alpha Vantage": ("Time Series (map)", True, 2, "timestamp:us open:float"),
    "rows under a header": ("[] (rows under a header)", True, 2, "name:text n:int"),
    "rows without names": ("[] (rows without names)", False, 2, "column_1:int column_2:float column_3:int"),
    "pairs": ("[] (pairs)", False, 2, "timestamp:us value:float"),
    "JSON:API": (
        "data[]",
        True,
        1,
        "type:text id:text relationships.s.data.id:text value:float attributes.type:text",
    ),
    "OData 2": ("d.results[]", True, 1, "a:int"),
    "GraphQL": ("data.sensors.edges[]", True, 1, "cursor:text id:text"),
    "FHIR": ("entry[]", True, 1, "fullUrl:text resourceType:text id:text"),
    "CKAN": ("result.records[]", True, 1, "a:int"),
    "NGSI": (
        "[]",
        True,
        1,
        "id:text type:text temperature.value:int temperature.type:text temperature.metadata:mixed",
    ),
    "the list that was asked for": ("sensors[]", True, 1, "a:int"),
    "two lists, none asked for": ("one record", False, 1, "pumps:mixed alerts:mixed"),
    "one record": ("one record", True, 1, "id:text name:text tags:mixed sensors:mixed limits.max:int"),
    "one record in an envelope": ("data", True, 1, "id:text limits.max:int"),
    "a reading in an envelope": ("data", True, 1, "value:float timestamp:us"),
    "a list of text": ("sensors[]", True, 2, "value:text"),
}


KINDS = {
    "datetime64[us, UTC]": "us",
    "datetime64[ns, UTC]": "ns",
    "string": "text",
    "float64": "float",
    "Int64": "int",
    "boolean": "bool",
    "object": "mixed",
}


def read(body, **where):
    sheet = Reader(ANY, **where).read(json.dumps(body).encode())
    return sheet, assemble([part_of(sheet, ANY)], ANY).frame


@pytest.mark.parametrize("name", BODIES)
def test_records_are_found_in_the_form_of(name):
    """Place, certainty, rows, columns and their kinds, each looked at and written down."""
    where, sure, rows, columns = FOUND[name]
    sheet, frame = read(BODIES[name], named="sensors" if "asked for" in name and "none" not in name else "")
    assert (sheet.about.where, sheet.about.sure, len(frame)) == (where, sure, rows)
    assert " ".join(f"{column}:{KINDS[str(dtype)]}" for column, dtype in frame.dtypes.items()) == columns


UNITS = {
    "Open-Meteo": {"temp": "C"},
    "columns beside series": {"a": "C"},
    "columns beside named series": {"a": "C"},
    "pandas split": {"v": "mm/s"},
    "ERDDAP": {"temp": "C"},
}


@pytest.mark.parametrize("name", UNITS)
def test_units_beside_the_records_are_kept(name):
    """By column; units in the records are columns anyway."""
    assert read(BODIES[name])[0].about.units == UNITS[name]


def test_values_are_those_of_the_answer():
    """Samples as numbers, instants in UTC, labels on every row, nothing swapped."""
    graphite = read(BODIES["Graphite"])[1]
    assert graphite["timestamp"].tolist() == [
        pd.Timestamp(t, tz="UTC") for t in ("2024-01-20 15:30", "2024-01-20 15:31")
    ]
    assert graphite["value"][0] == 1.5
    assert pd.isna(graphite["value"][1])
    tree = read(BODIES["a tree"])[1]
    assert tree["path"].tolist() == ["line1/pump/temp", "line1/pump/vib", "line2/temp"]
    assert tree["level_3"].tolist()[:2] == ["temp", "vib"]
    assert tree["value"].tolist() == [1.5, 2, 3]
    table = read(BODIES["Kusto"])[1]
    assert table.iloc[0].tolist() == ["t", pd.Timestamp("2024-01-20 15:30", tz="UTC"), 1]
    assert read(BODIES["Prometheus matrix"])[1]["timestamp"][0] == pd.Timestamp("2024-01-20 15:30:00.781", tz="UTC")


def test_what_is_not_in_the_frame_is_named():
    """A second list is not lost in silence."""
    assert read(BODIES["the list that was asked for"], named="sensors")[0].about.left == ("alerts",)


@pytest.mark.parametrize(("at", "rows"), [("a.b", 2), ("$.a.b[]", 2), ("a.c", 1), ("a", 1), ("t", 2)])
def test_a_stated_place_is_taken(at, rows):
    """A list, one object, a table."""
    body = {"a": {"b": [{"x": 1}, {"x": 2}], "c": {"x": 3}}, "t": {"time": ["2024-01-20", "2024-01-21"], "v": [1, 2]}}
    assert len(read(body, at=at)[1]) == rows


def test_a_stated_place_that_is_not_there_is_named():
    """The field is in the message, and nothing else of the answer."""
    with pytest.raises(BadReplyError, match="no 'a.z'"):
        find({"a": {"b": []}}, at="a.z")


@pytest.mark.parametrize(
    ("name", "value", "dtype"),
    [
        ("timestamp", 1705764600, "datetime64[us, UTC]"),
        ("ts", 1705764600123, "datetime64[us, UTC]"),
        ("createdAt", 1705764600123456, "datetime64[us, UTC]"),
        ("time_ns", 1705764600123456789, "datetime64[ns, UTC]"),
        ("time_ns", 1705764600123456000, "datetime64[us, UTC]"),
        ("unixtime", 1705764600.25, "datetime64[us, UTC]"),
        ("date", "1705764600123", "datetime64[us, UTC]"),
        ("date", "2024-01-20", "datetime64[us, UTC]"),
        ("time", "2024-01-20T15:30", "datetime64[us, UTC]"),
        ("note", "2024-01-20 15:30:00.5", "datetime64[us, UTC]"),
        ("time", "2024-01-20 15:30:00 UTC", "datetime64[us, UTC]"),
        ("time", "2024-01-20T15:30:00+02", "datetime64[us, UTC]"),
        ("time", "2024-01-20T15:30:00.123456700Z", "datetime64[ns, UTC]"),
        ("time", "2024-01-20T15:30:00.123456000Z", "datetime64[us, UTC]"),
        ("value", 1705764600, "Int64"),
        ("id", 1705764600, "Int64"),
        ("count", 1705764600123, "Int64"),
        ("timestamp", 17, "Int64"),
        ("timestamp", 253402300799, "Int64"),
        ("time", "0001-01-01T00:00:00.1234567Z", "string"),
        ("time", "9999-01-01T00:00:00.1234567Z", "string"),
        ("time", "2024-02-31T00:00:00Z", "string"),
        ("note", "2024-01-20", "string"),
        ("value", "1.5", "float64"),
        ("value", "12", "Int64"),
        ("temperature", "23.5", "float64"),
        ("value", "00123", "string"),
        ("id", "00123", "string"),
        ("id", "12", "string"),
        ("serial", "1.5", "string"),
        ("firmware_version", "2.1", "string"),
        ("temperature", "23", "string"),
        ("value", "0.1000000000000000055511151231257827", "string"),
        ("value", "9007199254740993", "string"),
    ],
)
def test_a_column_is_what_its_name_and_its_values_say(name, value, dtype):
    """Times by form, or by name and size; numbers in text by name or form; ids as they are, nothing rounded."""
    frame = decode([{name: value}, {name: None}], ANY)[0]
    assert str(frame[name].dtype) == dtype
    assert frame[name].isna().tolist() == [False, True]


def test_one_value_that_is_none_leaves_the_column_alone():
    """A column is an instant's only when every value is, in one unit."""
    for values in ([1705764600, 1705764600123], [1705764600, 0], [1705764600.1, 3.5]):
        assert "datetime" not in str(decode([{"ts": value} for value in values], ANY)[0]["ts"].dtype)
    assert str(decode([{"v": "1.5"}, {"v": "n/a"}], ANY)[0]["v"].dtype) == "string"


def test_instants_are_exact_to_the_last_digit():
    """Nanoseconds that say something are kept."""
    got = decode([{"time_ns": 1705764600123456789}], ANY)[0]["time_ns"][0]
    assert got.value == 1705764600123456789
    got = decode([{"time": "2024-01-20T15:30:00.1234567Z"}, {"time": "2024-01-20T15:30Z"}], ANY)[0]["time"]
    assert [stamp.nanosecond for stamp in got] == [700, 0]


def test_times_without_a_zone_are_said_to_be_taken_for_utc():
    """By field; one with a zone is not among them."""
    assert without_zone({"a": "2024-01-20T15:30", "b": "2024-01-20T15:30Z", "c": 1}) == ["a"]


@pytest.mark.parametrize(
    "name", ["timestamp", "ts", "t", "dateObserved", "lastSeen", "TimeGenerated", "dt", "time_utc"]
)
def test_names_of_times_are_known(name):
    """In any convention of writing."""
    assert is_time_name(name)


@pytest.mark.parametrize(
    "name", ["value", "id", "count", "status", "mean", "ms", "rate", "lat", "atmosphere", "total"]
)
def test_names_of_other_things_are_no_times(name):
    """Positive control of the above."""
    assert not is_time_name(name)


flat = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.floats(-9, 9), st.text("xyz", max_size=3))
nested = st.recursive(
    flat, lambda inner: st.dictionaries(st.sampled_from(["p", "q", "r.s"]), inner, max_size=3), max_leaves=6
)
rows = st.lists(
    st.dictionaries(st.sampled_from(["a", "b", "a.p", "c"]), nested, min_size=1, max_size=4), min_size=1, max_size=5
)
wrap = st.sampled_from(["data", "items", "results", "_embedded", "response", "d", "payload", "hits", "result"])
ends = st.sampled_from(
    ["data", "items", "results", "records", "value", "features", "content", "docs", "Items", "sensors"]
)
beside = st.dictionaries(
    st.sampled_from(
        ["count", "next", "page", "has_more", "@odata.count", "links", "meta", "status", "took", "total"]
    ),
    st.one_of(flat, st.dictionaries(st.sampled_from(["next", "self", "total"]), flat, max_size=2)),
    max_size=3,
)


@settings(max_examples=150, deadline=None)
@given(rows, st.lists(st.tuples(wrap, beside), max_size=2), ends, beside)
def test_any_records_in_any_envelope_make_the_same_frame(records, wrappers, end, around):
    """However deep the list lies and whatever is said beside it: the frame is that of the records."""
    body = {**around, end: records}
    for name, others in wrappers:
        body = {**{key: value for key, value in others.items() if key != name}, name: body}
    sheet, frame = read(body, named="sensors")
    assert sheet.rows == len(records)
    wanted = decode(json.loads(json.dumps(records)), ANY)[0]
    pd.testing.assert_frame_equal(frame, wanted, check_exact=True, check_like=True)


def is_same(found, value):
    return isinstance(found, dict) or (not pd.isna(found) and found == value)


def leaves(value, path=()):
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    else:
        yield path, value


@settings(max_examples=150, deadline=None)
@given(rows)
def test_any_nesting_comes_back(records):
    """Every leaf is in the column of its path, in its row; a column holds one path only."""
    frame = decode(json.loads(json.dumps(records)), ANY)[0]
    paths = {path for record in records for path, _ in leaves(record)}
    assert len(frame.columns) == len(paths)
    for number, record in enumerate(records):
        for path, value in leaves(record):
            columns = [c for c in frame if c.rstrip("_") == ".".join(path)]
            found = [frame[column].iloc[number] for column in columns]
            assert any(pd.isna(f) if value is None else is_same(f, value) for f in found), (
                path,
                value,
            )
