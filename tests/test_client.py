"""One request: what is sent, what is repeated, and what every answer means."""

import httpx
import pytest

from immune_nb import errors
from immune_nb.fetch.client import Client

BASE = "https://api.example/v1"
PROBLEM = {
    "error": {
        "type": "t",
        "message": "No such \x1b[1msensor.",
        "code": "SENSOR_NOT_FOUND",
        "details": {"field": "id"},
    }
}


class Service:
    """Answers in turn, the last answer for ever, and remembers."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.seen = []

    def __call__(self, request):
        self.seen.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


class Rest:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now = 1_700_000_000.0
        self.naps = []

    def sleep(self, seconds):
        self.naps.append(seconds)
        self.now += seconds


def client(*answers, **more):
    service, rest = Service(*answers), Rest()
    made = Client(BASE, httpx.MockTransport(service), clock=lambda: rest.now, sleep=rest.sleep, **more)
    return made, service, rest


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, errors.QueryError), (404, errors.QueryError), (405, errors.QueryError), (409, errors.QueryError)]
    + [(422, errors.QueryError), (403, errors.LoginRejectedError), (429, errors.RateLimitedError)]
    + [(500, errors.UnreachableError), (502, errors.UnreachableError), (503, errors.UnreachableError)]
    + [(504, errors.UnreachableError), (501, errors.BadReplyError), (304, errors.BadReplyError)],
)
def test_every_status_has_its_class_and_quotes_the_service(status, kind):
    """F07: the service's words, escaped, with method and path and without the query."""
    made, _, _ = client(httpx.Response(status, json=PROBLEM))
    with pytest.raises(kind, match="GET /v1/sensors: .*No such .*sensor") as caught:
        made.send("GET", "/sensors", params={"q": "private"})
    assert "\x1b" not in str(caught.value)
    assert "private" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "asks"),
    [
        ({"error": {"message": "There is no alert 'a 9'.", "code": "NOT_FOUND", "details": {"field": "id"}}}, False),
        ({"message": "Alert a 9 was deleted."}, False),
        ({"message": "Not Found"}, True),
        ({"message": "Route GET:/v1/alerts/a 9 not found", "error": "Not Found"}, True),
        ({"error": {"code": "NOT_FOUND"}}, True),
        ([], True),
    ],
)
def test_an_address_is_doubted_only_where_the_service_does_not_say_what_is_missing(body, asks):
    """A 404 that names the record needs no doubts about base_url; one that could mean any address keeps them."""
    made, _, _ = client(httpx.Response(404, json=body))
    with pytest.raises(errors.QueryError) as caught:
        made.send("GET", "/alerts/a%209")
    assert ("Is base_url right, and the path?" in str(caught.value)) is asks


@pytest.mark.parametrize(
    ("status", "ours"), [(401, "the login was refused by api.example"), (403, "this login may not do that")]
)
def test_a_refused_login_is_told_in_our_words_before_those_of_the_service(status, ours):
    """Its words may be of tokens where an API key was sent: they come after ours, and as its own."""
    made, _, _ = client(httpx.Response(status, json={"detail": "The access token provided is expired."}))
    with pytest.raises(errors.LoginRejectedError) as caught:
        made.send("GET", "/sensors")
    said = str(caught.value)
    assert said.startswith(f"GET /v1/sensors: {ours}")
    assert "The service says: The access token provided is expired." in said


@pytest.mark.parametrize("status", [400, 404, 422, 401, 403])
def test_what_asking_again_cannot_mend_is_asked_once(status):
    """F07: no retry."""
    made, service, _ = client(httpx.Response(status))
    with pytest.raises(errors.ImmuneError):
        made.send("GET", "/x")
    assert len(service.seen) == 1


def test_a_burst_of_faults_is_survived_with_one_request_each():
    """F05: 502, 503, then the answer: three requests."""
    made, service, _ = client(httpx.Response(502), httpx.Response(503), httpx.Response(200, json=[1]))
    assert made.send("GET", "/x").data == [1]
    assert len(service.seen) == 3


def test_for_ever_is_not_tried_for_ever():
    """F05: the error comes after the attempts, and they are counted at the service."""
    made, service, _ = client(httpx.Response(503))
    with pytest.raises(errors.UnreachableError, match="503"):
        made.send("GET", "/x")
    assert len(service.seen) == 5


def test_every_attempt_is_given_a_time():
    """F12: those after the first get no more than the two minutes of all leave, where they are led on, too."""
    away = httpx.Response(302, headers={"Location": f"{BASE}/y"})
    answers, given = [httpx.Response(503), httpx.Response(503), away, httpx.Response(200, json=[])], []

    def service(request):
        given.append(request.extensions.get("seconds"))  # now: the next attempt is of the same request
        return answers.pop(0)

    Client(BASE, httpx.MockTransport(service), sleep=lambda _: None).send("GET", "/x")
    first, second, third, led_on = given
    assert first is None  # for which the transport's own minute holds
    assert 110 < third < second <= 120
    assert led_on == third


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
def test_what_changes_something_is_sent_once(method):
    """Contract 1.3: a POST is never retried blindly, not even after a 503."""
    made, service, _ = client(httpx.Response(503))
    with pytest.raises(errors.UnreachableError):
        made.send(method, "/readings", json={"v": 1})
    assert len(service.seen) == 1


def test_retry_after_is_waited_for():
    """F01: 429 with `Retry-After: 2` twice, then the answer; nothing is sent before it is allowed."""
    slow = httpx.Response(429, headers={"Retry-After": "2"})
    made, service, rest = client(slow, slow, httpx.Response(200, json=[]))
    began = rest.now
    made.send("GET", "/x")
    assert len(service.seen) == 3
    assert rest.now - began == pytest.approx(4)


def test_a_wait_over_budget_fails_at_once_and_names_it():
    """F03: `Retry-After: 86400` is an error with `.retry_after`, and no sleep."""
    made, service, rest = client(httpx.Response(429, headers={"Retry-After": "86400"}))
    with pytest.raises(errors.RateLimitedError) as caught:
        made.send("GET", "/x")
    assert caught.value.retry_after == 86400
    assert (len(service.seen), rest.naps) == (1, [])


def test_an_announced_end_of_calls_holds_the_next_request():
    """F04: `Remaining: 0` with a reset in 3 s: the next request waits 3 s, and no 429 is needed."""
    spent = httpx.Response(200, json=[], headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "3"})
    made, _, rest = client(spent, httpx.Response(200, json=[]))
    made.send("GET", "/x")
    assert made.meter.left == 0
    assert rest.naps == []
    made.send("GET", "/x")
    assert rest.naps == [pytest.approx(3)]


def test_a_first_refusal_and_a_later_one_differ():
    """401 before anything worked: rejected; after: expired."""
    refused = httpx.Response(401, json={"error": "invalid_token"})
    made, _, _ = client(refused)
    with pytest.raises(errors.LoginRejectedError):
        made.send("GET", "/x")
    made, _, _ = client(httpx.Response(200, json=[]), refused)
    made.send("GET", "/x")
    with pytest.raises(errors.SessionExpiredError):
        made.send("GET", "/x")


def test_an_authentication_error_counts_whatever_its_status():
    """Contract 1.5: the code is documented, its HTTP status is not."""
    made, _, _ = client(httpx.Response(400, json={"error": {"code": "AUTHENTICATION_ERROR", "message": "no"}}))
    with pytest.raises(errors.LoginRejectedError):
        made.send("GET", "/x")


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "bad", "message": "Words", "innererror": {"code": "worse"}, "details": []}},
        {"error": "bad", "error_description": "Words", "request_id": "1"},
        {"title": "Words", "status": 400},
        {"detail": "Words"},
        {"detail": [{"loc": ["query", "x"], "msg": "Words"}]},
        {"message": "Words"},
    ],
)
def test_every_shape_of_error_body_is_quoted(body):
    """Contract 2, RFC 9457 and common frameworks: the words are found."""
    made, _, _ = client(httpx.Response(400, json=body))
    with pytest.raises(errors.QueryError, match="Words"):
        made.send("GET", "/x")


@pytest.mark.parametrize(
    "body",
    [
        {"detail": [{"type": "less_than", "loc": ["query", "limit"], "msg": "At most 100."}]},
        {"limit": ["At most 100."]},
        {"code": 422, "status": "Unprocessable", "errors": {"query": {"limit": ["At most 100."]}}},
        {"message": "Validation error", "detail": {"query": {"limit": ["At most 100."]}}},
        {"errors": [{"status": "400", "detail": "At most 100.", "source": {"parameter": "limit"}}]},
    ],
)
def test_what_a_validator_refuses_is_said_with_its_field(body):
    """FastAPI, Django REST framework, marshmallow, APIFlask, JSON:API: the parameter is named, and what it takes."""
    made, _, _ = client(httpx.Response(422, json=body))
    with pytest.raises(errors.QueryError, match=r"At most 100 \(field limit\)"):
        made.send("GET", "/x")


@pytest.mark.parametrize("target", ["/v1/there", "https://api.example/v1/there"])
def test_a_redirect_within_the_origin_is_followed(target):
    """F30: same host, scheme and port."""
    made, service, _ = client(httpx.Response(302, headers={"Location": target}), httpx.Response(200, json=["x"]))
    assert made.send("GET", "/here").data == ["x"]
    assert str(service.seen[1].url) == f"{BASE}/there"


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "https://evil.example/"),
        ("GET", "//evil.example/"),
        ("GET", "http://api.example/v1"),
        ("GET", "/v1/here"),
        ("POST", "/v1/there"),
    ],
)
def test_other_redirects_are_refused(method, target):
    """F30, L33: across origins, downgraded, in a loop, or of a POST: nothing goes there."""
    made, service, _ = client(httpx.Response(307, headers={"Location": target}))
    with pytest.raises(errors.BadReplyError, match="not followed"):
        made.send(method, "/here", json={"v": 1} if method == "POST" else None)
    assert {request.url.host for request in service.seen} == {"api.example"}
    assert len(service.seen) <= 7


def test_redirects_without_end_are_not_followed_to_it():
    """F40: each of a hundred leads to another: an error after a few."""
    made, service, _ = client(*(httpx.Response(302, headers={"Location": f"/v1/{n}"}) for n in range(100)))
    with pytest.raises(errors.BadReplyError, match="not followed"):
        made.send("GET", "/x")
    assert len(service.seen) == 6


def test_a_url_on_another_origin_is_refused_before_sending():
    """L34: a `next` link to elsewhere is not followed; one at home is."""
    made, service, _ = client(httpx.Response(200, json=[]))
    for url in ("https://evil.example/v1/x", "//evil.example/x", "http://api.example/v1/x"):
        with pytest.raises(errors.QueryError, match="not this API's host"):
            made.send("GET", url)
    made.send("GET", f"{BASE}/x?next=https://evil.example")
    assert [str(r.url) for r in service.seen] == [f"{BASE}/x?next=https://evil.example"]


def test_the_private_parameter_is_taken_out_of_links():
    """L16: a link that repeats `?api_key=` is sent without it by the client, whose logs show URLs."""
    made, service, _ = client(httpx.Response(200, json=[]), private_param="api_key")
    made.send("GET", f"{BASE}/x?api_key=canary&page=2")
    assert str(service.seen[0].url) == f"{BASE}/x?page=2"


def test_a_path_may_hold_a_query_and_parameters_join_it():
    """`/x?a=1` with b=2 asks for both, and a list repeats its name."""
    made, service, _ = client(httpx.Response(200, json=[]))
    made.send("GET", "x?a=1", params={"b": ["2", "3"]})
    assert service.seen[0].url.params.multi_items() == [("a", "1"), ("b", "2"), ("b", "3")]


@pytest.mark.parametrize(
    ("content", "kind", "data"),
    [
        (b"", "", None),
        (b"null", "application/json", None),
        (b"\xef\xbb\xbf[1]", "application/json", [1]),
        ('["ü"]'.encode("utf-16"), "application/json", ["ü"]),
        (b"pong", "text/plain", "pong"),
        (b'{"a": 1}', "application/problem+json", {"a": 1}),
    ],
)
def test_data_is_json_text_or_nothing(content, kind, data):
    """F14, F15: BOM, other encodings, text, empty and null."""
    made, _, _ = client(httpx.Response(200, content=content, headers={"Content-Type": kind}))
    assert made.send("GET", "/x").data == data


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"data": [1, 2', "character 14 of 14"),
        (b"<html>log in</html>", "text/html"),
        (b'["\xff"]', "encoding"),
        (b"[" * 200_000, "beyond reason"),
    ],
)
def test_what_is_not_json_says_where_it_stops(content, words):
    """F13, F14, F33: truncated, an HTML page, latin-1, too deep."""
    made, _, _ = client(httpx.Response(200, content=content, headers={"Content-Type": "text/html"}))
    with pytest.raises(errors.BadReplyError, match=words):
        made.send("GET", "/x").json()


def test_a_closed_client_says_so():
    """After a logout a query raises, and names the next step."""
    made, service, _ = client(httpx.Response(200, json=[]))
    made.close()
    with pytest.raises(errors.NoCredentialsError, match="Log in again"):
        made.send("GET", "/x")
    assert service.seen == []


@pytest.mark.parametrize(
    ("path", "params"),
    [("/sensors/x\n", {}), ("http://[::1", {}), ("/x\ud800", {}), ("/x", {"name": "\ud800"}), ("/x?k=\ud800", {})],
)
def test_what_is_no_address_is_refused_and_nothing_is_sent(path, params):
    """A line break, half an address, half a character: a QueryError with the path, and nothing of its query."""
    made, service, _ = client(httpx.Response(200))
    with pytest.raises(errors.QueryError, match="cannot be asked for") as caught:
        made.send("GET", path, params=params)
    assert "k=" not in str(caught.value)
    assert not service.seen
