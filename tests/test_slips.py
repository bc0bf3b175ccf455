"""What is misspelt is refused before it is sent; what the documentation does not know is sent, and said."""

import warnings

import httpx
import pytest

import immune_nb as im
from immune_nb.auth.chain import find_credentials
from immune_nb.catalog.slips import meant
from immune_nb.session import Session


def asking(profile=im.IMMUNE):
    """A session with a service that has nothing, and the queries it is sent."""
    sent = []

    def empty(request):
        sent.append(dict(request.url.params))
        return httpx.Response(200, json={"data": [], "has_more": False, "total_count": 0})

    return Session(profile, find_credentials(profile, {}, api_key="k"), transport=httpx.MockTransport(empty)), sent


@pytest.mark.parametrize(
    ("ask", "fault"),
    [
        (lambda s: s.readings("vib_001", lst="7d"), "readings knows no parameter 'lst'; did you mean 'last'?"),
        (lambda s: s.alerts(sttaus="active"), "alerts knows no parameter 'sttaus'; did you mean 'status'?"),
        (lambda s: s.alerts(severty="critical"), "did you mean 'severity'?"),
        (lambda s: s.sensors(tpye="vibration"), "did you mean 'type'?"),
        (lambda s: s.predictions(equipment="pump_001"), "did you mean 'equipment_id'?"),
        (lambda s: s.alerts(severity="criticle"), "'criticle' is no severity .* did you mean 'critical'?"),
        (lambda s: s.alerts(severity=["warning", "Critical"]), "'Critical' is no severity"),
        (lambda s: s.sensors(status="offline,onlin"), "'onlin' is no status .* did you mean 'online'?"),
        (lambda s: s.plan("alerts", sttaus="active"), "did you mean 'status'?"),
    ],
)
def test_a_slip_is_refused_before_it_is_sent(ask, fault):
    """A name or a word close to a known one: the error says which, where anything can be sent, and nothing was."""
    session, sent = asking()
    with pytest.raises(im.QueryError, match=fault.replace("?", r"\?")) as caught:
        ask(session)
    assert "Nothing was sent; `get /" in str(caught.value)
    assert not sent


def test_what_no_document_knows_is_sent_and_said_once():
    """Services take more than they document: what is unlike anything known goes out, with one warning each."""
    session, sent = asking()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for _ in range(2):
            session.alerts(region="north", status="unresolved")
    assert [(query["region"], query["status"]) for query in sent] == [("north", "unresolved")] * 2
    region, status = (str(warning.message) for warning in heard)
    assert region.startswith("alerts: the documentation knows no parameter 'region', only status, severity, type, ")
    assert "starting_after" not in region
    assert "'unresolved' is no status the documentation knows, only active, acknowledged, resolved." in status
    assert {warning.filename for warning in heard} == {__file__}


def test_what_is_documented_passes_in_silence():
    """Every spelling of documented words, free text, and the names the API itself pages by."""
    session, sent = asking()
    session.alerts(status="active, resolved", severity=["critical", "info"], type="anomaly", equipment_id="criticle")
    session.readings(sensor_id="vib_001", start_time="2026-03-01T00:00:00Z", quality=["good", "bad"])
    assert len(sent) == 2


def test_get_sends_whatever_it_is_given():
    """The way out: no name and no word is held against any document there."""
    session, sent = asking()
    session.get("/alerts", sttaus="active", severity="criticle")
    assert (sent[0]["sttaus"], sent[0]["severity"]) == ("active", "criticle")


def test_without_a_document_everything_is_sent(tmp_path):
    """A profile that has none, or whose file cannot be read, is asked as before."""
    broken = im.Profile("lab", "https://api.example/v1", catalog=f"file:{tmp_path}/none.json")
    for profile in (im.Profile("lab", "https://api.example/v1"), broken):
        session, sent = asking(profile)
        session.alerts(sttaus="active")
        assert sent[0]["sttaus"] == "active"


@pytest.mark.parametrize("typed", ["sensor_type", "equipment_type", "min_severity", "sort", "unit", "region"])
def test_other_names_are_no_slips(typed):
    """What a service may well have undocumented is not taken for something misspelt."""
    known = ("status", "severity", "type", "sensor_id", "equipment_id", "start_time", "end_time", "start", "last")
    assert not meant(typed, known)
