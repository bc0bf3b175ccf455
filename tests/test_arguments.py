"""The parser of `%immune` lines: words, quotes, variables, options, and what is refused."""

from __future__ import annotations

import contextlib
import json
import shlex
from datetime import UTC, datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from IPython.core.error import UsageError

from immune_nb.notebook import manual
from immune_nb.notebook.arguments import Request, parse
from immune_nb.notebook.refusal import carries_secret
from immune_nb.notebook.subcommands import COMMANDS
from immune_nb.notebook.words import as_word

NOON = datetime(2024, 1, 20, 12, tzinfo=UTC)
IDS = ["vib_001", "temp_001"]
CANARY = "kT9xW2qLm8ZrB4nVc7Hs"


class Machine:
    ids = IDS


def read(line: str) -> Request:
    """Parse a line in a small namespace."""
    return parse(
        line,
        {
            **dict.fromkeys(("frame", "open_alerts", "alert", "rule"), "a1"),
            "ids": IDS,
            "noon": NOON,
            "machine": Machine(),
            "empty": [],
            "_hidden": 1,
        },
    )


def refused(line: str) -> str:
    """The message of the UsageError, which is exactly that class and one line."""
    with pytest.raises(UsageError) as caught:
        read(line)
    assert caught.type is UsageError
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("readings {missing}", "There is no variable 'missing'"),
        ("readings $idz", "There is no variable 'idz': did you mean {ids}?"),
        ("cache --clear", "write %immune cache clear."),
        ("sandbox --stop", "write %immune sandbox stop."),
        ("equipment", "%immune get /equipment"),
        ("/equipment", "%immune get /equipment"),
    ],
)
def test_a_wrong_guess_is_told_the_right_line(line, advice):
    """A missing variable by its name, an action written as an option, an endpoint taken for a subcommand."""
    with pytest.raises(UsageError) as caught:
        parse(line, {"ids": IDS}, paths=lambda: ["/equipment"])
    assert advice in str(caught.value)


def test_help_is_a_word_too():
    """`help` is the overview, and `help readings` that subcommand's page."""
    assert read("help").command is None
    request = read("help readings")
    assert (request.command.name, request.given("help")) == ("readings", True)


def test_a_span_may_be_two_words():
    """`--last 2 days` is one span, as a number alone is none; a sensor behind a whole span stays a sensor."""
    request = read("readings vib_001 --last 2 days --limit 5")
    assert (request.words, request.options["last"]) == (("vib_001",), "2 days")
    assert read("readings --last 7d pump").words == ("pump",)


def test_words_options_and_filters_are_told_apart():
    """One line: subcommand, words, options in both spellings, filters, quiet."""
    request = read("readings vib_001 temp_001 --last 7d --limit=50 unit=mm/s -q")
    assert request.command.name == "readings"
    assert request.words == ("vib_001", "temp_001")
    assert request.options == {"last": "7d", "limit": 50, "quiet": True}
    assert request.filters == {"unit": "mm/s"}


@pytest.mark.parametrize("typed", ["{ids}", "$ids", "{machine.ids}", '"{ids}"', '"$ids"'])
def test_a_lone_variable_is_the_object_itself(typed):
    """A list stays a list: identity, not text."""
    assert read(f"readings {typed}").words[0] is IDS


def test_options_and_filters_take_objects_too():
    """`--start {noon}`, `--start=$noon` and `key={ids[0]}` pass objects."""
    assert read("readings --start {noon}").options["start"] is NOON
    assert read("readings --start=$noon").options["start"] is NOON
    assert read("get /x day={noon} id={ids[0]}").filters == {"day": NOON, "id": "vib_001"}


def test_inside_a_longer_word_a_variable_is_its_text():
    """Paths and prefixes are built from variables."""
    assert read("get /sensors/{ids[0]}/x$ids").words == (f"/sensors/vib_001/x{IDS}",)


@pytest.mark.parametrize(
    "text",
    ['{"a": 1}', '{"a": {"b": [1, "x y"]}}', "{}", '[{"a": 1}, {"b": 2}]', '{"q": "it is {ids}"}', "{1}", "x{2,3}"],
)
def test_json_and_other_braces_stay_as_typed(text):
    """Braces that hold no Python name are text, quotes and spaces included."""
    assert read(f"get /x filter={text}").filters["filter"] == text


def test_doubled_braces_and_dollars_are_single_ones():
    """`{{ids}}` and `$$` write what would otherwise be a variable."""
    assert read("get /x a={{ids}} b=$$ids c=5$").filters == {"a": "{ids}", "b": "$ids", "c": "5$"}


def test_a_dollar_key_is_a_key():
    """OData's `$top=5` is a filter, not a variable."""
    assert read("get /x $top=5 events[]=a value.gt=3").filters == {"$top": "5", "events[]": "a", "value.gt": "3"}


def test_quotes_keep_spaces_and_each_other():
    """Single quotes are literal; double quotes take variables and backslashes."""
    request = read("""get /x a='it {ids} $ids' b="say \\"hi\\" to {ids[0]}" c='a'"b"c""")
    assert request.filters == {"a": "it {ids} $ids", "b": 'say "hi" to vib_001', "c": "abc"}


def test_a_quoted_word_is_never_an_option():
    """Text that looks like an option can still be a value."""
    assert read("readings --start '--5'").options["start"] == "--5"
    assert read("get '--x'").words == ("--x",)


def test_target_and_silence():
    """`--out`, `NAME <<` and `;` say where the frame goes."""
    assert read("sensors --out df").target == "df"
    assert read("df << sensors").target == "df"
    assert read("sensors;").silent
    assert read("sensors ; ").silent
    assert not read("get /x a=';'").silent


def test_filters_that_are_options_are_options():
    """`last=7d` and `limit=5` mean what `--last 7d` and `--limit 5` mean."""
    assert read("readings last=7d limit=5").options == {"last": "7d", "limit": 5}


def test_a_comma_list_stays_one_text():
    """The API takes commas; nothing is split behind its back."""
    assert read("alerts --severity critical,warning").options["severity"] == "critical,warning"


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("logn", "did you mean login?"),
        ("readings --limt 3", "did you mean --limit?"),
        ("login --method kye", "did you mean key?"),
        ("sandbox strat", "did you mean start?"),
        ("readings {idz}", "did you mean {ids}?"),
        ("readings $idz", "did you mean {ids}?"),
        ("nonsense", "there are login"),
    ],
)
def test_a_near_miss_gets_a_suggestion(line, hint):
    """Subcommands, options, choices and variables: did you mean."""
    assert hint in refused(line)


@pytest.mark.parametrize(
    "line",
    [
        "readings 'vib_001",
        'readings "vib_001',
        "readings --limit",
        "readings --limit --last 7d",
        "readings --limit 0",
        "readings --limit 1.5",
        "readings --quiet=1",
        "readings --last 7d --last 8d",
        "get",
        "get /a /b",
        "use",
        "status now",
        "status a=b",
        "sensors --out 9x",
        "sensors --out class",
        "x << status",
        "get /x a=1 a=2",
        "readings {machine.nothing}",
        "readings {ids[9]}",
        "readings {1/0 + ids}",
        "get /sensors/{id}/x",
    ],
)
def test_mistakes_are_one_usage_error(line):
    """Whatever is wrong with a line, it is one sentence of exactly UsageError."""
    assert refused(line)


@pytest.mark.parametrize(
    "line",
    [
        f"login --api-key {CANARY}",
        f"login --api_key={CANARY}",
        f"login --key '{CANARY}'",
        f'login --token "{CANARY}',
        f"login --client-secret={CANARY}",
        f"--password {CANARY}",
        f"get /x token={CANARY}",
        f"get /x?api_key={CANARY}",
        f'get /x body={{"client_secret": "{CANARY}"}}',
        f"get /x authorization='Bearer {CANARY}'",
        f"get https://me:{CANARY}@api.example/x",
        "login eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "login sk-Qx81kdmsUwlq02mZpa",
        "login Xk3jdA9sdkJH2kd93kdJSk2LdkW",
        "login --method key 9f86d081884c7d659a2feaa0c55ad015",
        "login --remember 0f8fad5b-d9cb-469f-a165-70867728950e",
        "login 'a1b2c3d4e5f60718' --profile lab",
        f"login -k {CANARY}",
        f"login –token {CANARY}",
        f"get /x x-api-key={CANARY}",
        f"get /x sig={CANARY}",
        f'post /w {{"dbPassword": "{CANARY}"}}',
        f"get /x smtp_password={CANARY}",
        f"get /x sas_token={CANARY}",
        f"get /x hmac_key={CANARY}",
        "get /x url=whsec_9f86d081884c7d65",
    ],
)
def test_a_secret_on_the_line_is_refused_with_advice(line):
    """Refused before anything else, told to clear and rotate, and not repeated (L14)."""
    message = refused(line)
    assert "clear this cell" in message
    assert "rotate" in message
    assert CANARY not in message


@pytest.mark.parametrize(
    "line",
    [
        "login --method token --from env",
        "login --client-id 0f8fad5b-d9cb-469f-a165-70867728950e --profile=9f86d081884c7d659a2feaa0c55ad015",
        "readings PLANT1-Line2-M03-VIB-X1-RMS2 Pump_Station_A1_vibration_03",
        "get /x starting_after=0f8fad5b-d9cb-469f-a165-70867728950e",
        "get /x after=2024-01-20T15:30:00Z sort_key=3 page_token=abc next_token=abc code=E42 auth=oauth2",
        "get /keys/9e107d9d372bb6826bd81d3542a419d6",
        "get http://127.0.0.1:8000/x",
    ],
)
def test_ordinary_lines_are_not_taken_for_secrets(line):
    """Sensor ids, times, UUIDs and hashes pass."""
    assert not carries_secret(line)
    assert read(line)


LINES = st.text(st.sampled_from("abz019 ='\"{}[]$;-_<>/\\:,.é\n\t") | st.characters(codec="utf-8"), max_size=60)
PREFIXES = st.sampled_from(["", "get ", "get /x a=", "readings ", "readings --start ", "df << sensors "])


@given(PREFIXES, LINES)
def test_no_line_crashes_the_parser(prefix, line):
    """Any text is read or is a UsageError, nothing else (property)."""
    with contextlib.suppress(UsageError):
        read(prefix + line)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40))
def test_quoted_values_round_trip(value):
    """What `shlex.quote` protects arrives as it was (property)."""
    line = f"get /x name={shlex.quote(value)} --profile={shlex.quote(value)}"
    assume(not carries_secret(line))
    request = read(line)
    assert request.filters["name"] == value
    assert request.options["profile"] == value


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="ascii", categories=["L", "N", "Zs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcxyz", min_size=1), inner, max_size=3),
)


@given(st.dictionaries(st.text("abcxyz", min_size=1), JSON, min_size=1, max_size=3))
def test_json_objects_survive(value):
    """A JSON object on the line arrives byte for byte (property)."""
    text = json.dumps(value)
    if carries_secret(text):
        return
    assert read(f"get /x filter={text}").filters["filter"] == text


SHAPES = [
    "{}",
    "login {}",
    "login --profile",
    "login --method {}",
    "login --{}",
    "login --{}=x",
    "login --from={}",
    "readings --limit {}",
    "readings --limit={}",
    "sensors --out {}-",
    "sensors --out '{} '",
    "{}- << sensors",
    "use a {}",
    "use {} b",
    "sandbox {}",
    "status {}",
    "status {}=1",
    "get /x a=1 a={}",
    "get '{}",
    'get "{}',
    "get {{{}}}",
    "get ${}",
    "login --api-key {}",
    "login token={}",
    "login 'Bearer {}'",
]
SECRETS = st.text(st.sampled_from("ABCDEFGHJKLMNPQRSTUVWXYZ23456789"), min_size=12, max_size=48)


@given(st.sampled_from(SHAPES), SECRETS)
def test_no_message_repeats_what_was_typed(shape, secret):
    """Unknown flag, bad choice, missing value, open quote: the error never quotes the line (L14, property)."""
    said = ""
    try:
        read(shape.format(secret))
    except UsageError as error:
        said = str(error)
    assert secret.casefold() not in said.casefold()


def test_the_echo_probe_can_fail():
    """Positive control: argparse, given the same line, repeats the value."""
    import argparse

    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--method", choices=["key"])
    with pytest.raises(argparse.ArgumentError) as caught:
        parser.parse_args(["--method", CANARY])
    assert CANARY in str(caught.value)


def test_every_example_in_the_help_is_a_line_that_reads():
    """The vocabulary's own examples parse, and each subcommand's page names all its options."""
    for command in COMMANDS:
        page = manual.page(command)
        assert all(option.name in page for option in command.options)
        for example in command.examples:
            assert read(example.partition("%immune ")[2]).command in (command, None)


def test_the_overview_lists_every_subcommand():
    """`%immune` and `%immune?` show all there is."""
    assert all(command.name in manual.overview() for command in COMMANDS)
    assert read("").command is None
    assert read("--help").command is None
    assert read("readings --help").given("help")


@given(st.text(min_size=1, max_size=12) | st.text(alphabet="{}[]$'\"\\;= -a", min_size=1, max_size=10))
def test_text_from_elsewhere_is_quoted_so_that_it_stays_itself(text):
    """Whatever a document offers, the line it is put on says just that, and evaluates nothing."""
    word = as_word(text)
    assume(word is not None)
    assume(not carries_secret(f"get {word} x={word}"))
    asked = parse(f"get {word} x={word}", {})
    assert asked.words == (text,)
    assert asked.filters == {"x": text}


def test_simple_text_needs_no_quotes_and_some_cannot_be_said():
    """Ids stay as they are; a brace beside a single quote, and what is not printable, has no form."""
    assert as_word("vib_001") == "vib_001"
    assert as_word("OFF ROAD") == "'OFF ROAD'"
    assert as_word("it's $5") == '"it\'s $$5"'
    assert as_word("'{x}'") is None
    assert as_word("a\nb") is None
