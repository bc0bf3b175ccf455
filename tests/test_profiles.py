"""Profiles: built in, from the user's file, and moved by the environment."""

import pytest

import immune_nb as im
from immune_nb.addresses import KeyPlace, is_loopback
from immune_nb.profiles import find_profile, load_profiles


@pytest.fixture
def configured(tmp_path):
    """Writes a profile file and gives the environment that names it."""

    def write(text):
        (tmp_path / "profiles.toml").write_text(text, encoding="utf-8")
        return {"IMMUNE_NB_CONFIG": str(tmp_path)}

    return write


def test_builtin_profiles_are_the_documented_ones():
    """Addresses and ways are those of the contract."""
    assert im.IMMUNE.base_url == "https://api.immune.dev/v1"
    assert im.IMMUNE.token_url == "https://auth.immune.dev/oauth/token"
    assert im.IIINIT.token_url == "https://api.iiniit.com/oauth2/token"
    assert im.IIINIT.scopes == ("read:user", "read:projects")


def test_profiles_are_frozen():
    """Where one logs in cannot be changed under one's feet."""
    with pytest.raises(AttributeError):
        im.IMMUNE.base_url = "https://elsewhere.example"


def test_a_table_adds_a_profile(configured):
    """A user's profile comes from TOML, with defaults for what it leaves out."""
    env = configured(
        '[my-lab]\nbase_url = "https://lab.example/api/"\nscopes = "a b"\n[my-lab.paths]\nreadings = "/r"\n'
    )
    profile = find_profile("my-lab", env)
    assert profile.base_url == "https://lab.example/api"
    assert profile.scopes == ("a", "b")
    assert profile.paths["readings"] == "/r"
    assert profile.paths["alerts"] == "/alerts"
    assert profile.env_prefix == "MY_LAB"


def test_a_table_with_a_builtin_name_changes_only_what_it_gives(configured):
    """A plant moves the readings' path and keeps the rest of IMMUNE."""
    env = configured('[immune.paths]\nreadings = "/sensors/readings"\n')
    profile = find_profile("immune", env)
    assert profile.paths["readings"] == "/sensors/readings"
    assert profile.token_url == im.IMMUNE.token_url


def test_what_else_a_server_wants_is_text(configured):
    """`auth_params` is a table of texts; it sets nothing that the login sets itself, and it is a table."""
    made = '[lab]\nbase_url = "https://lab.example"\nauth_params = '
    assert find_profile("lab", configured(made + '{ audience = "a", max_age = 5 }')).auth_params == {
        "audience": "a",
        "max_age": "5",
    }
    for wrong, words in (('{ state = "x" }', "sets 'state'"), ('"audience=a"', "is no table")):
        with pytest.raises(im.ConfigError, match=words):
            find_profile("lab", configured(made + wrong))


def test_the_config_variable_may_name_the_file_itself(tmp_path):
    """`IMMUNE_NB_CONFIG` is a folder or a .toml file."""
    path = tmp_path / "ours.toml"
    path.write_text('[lab]\nbase_url = "https://lab.example"\n', encoding="utf-8")
    assert "lab" in load_profiles({"IMMUNE_NB_CONFIG": str(path)})


def test_the_environment_moves_a_profile():
    """One process can be pointed at another address without a file."""
    env = {"SANDBOX_BASE_URL": "http://127.0.0.1:9/v1", "SANDBOX_TOKEN_URL": "http://127.0.0.1:9/t"}
    profile = find_profile("sandbox", env)
    assert (profile.base_url, profile.token_url) == ("http://127.0.0.1:9/v1", "http://127.0.0.1:9/t")


def test_an_unknown_name_suggests_the_near_one():
    """A typo is answered with what was meant."""
    with pytest.raises(im.ConfigError, match="'imune'.*Did you mean 'immune'"):
        find_profile("imune", {})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("not toml", "not TOML"),
        ("lab = 3", "not a table"),
        ('[lab]\nbase_uri = "https://x.example"', "base_uri is not a profile field. Did you mean 'base_url'"),
        ('[lab]\nscopes = ["a"]', 'has no base_url. Write base_url = "https://'),
        ("[lab]\nzzz = 1", "zzz is not a profile field. Known: base_url, issuer"),
        ('[lab]\nbase_url = "https://x.example"\napi_key = "hunter2"', "secrets do not belong"),
    ],
)
def test_a_malformed_file_is_named_and_its_secrets_are_not_quoted(configured, text, complaint):
    """Every mistake in the file is a ConfigError that says which."""
    with pytest.raises(im.ConfigError, match=complaint) as caught:
        load_profiles(configured(text))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example",
        "ftp://api.example",
        "api.example",
        "https://user:pass@api.example",
        "https://api.example/#x",
        "http://127.0.0.1.evil.example",
        "http://[::2]/",
        "https://:8/",
        "https://h:port",
        7,
    ],
)
def test_unsafe_and_malformed_addresses_are_refused(url):
    """No plain http off loopback, nothing that is no URL; a password in one is not echoed."""
    with pytest.raises(im.ConfigError) as caught:
        im.Profile("lab", base_url=url)
    assert "pass@" not in str(caught.value)


@pytest.mark.parametrize("field", ["token_url", "authorize_url", "device_url", "revoke_url", "issuer"])
def test_every_endpoint_is_checked(field):
    """The token endpoint sees the client secret: it is held to the same rule."""
    with pytest.raises(im.ConfigError, match=f"lab.{field} is plain http"):
        im.Profile("lab", base_url="https://lab.example", **{field: "http://lab.example/x"})


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]"])
def test_loopback_is_recognised(host):
    """This machine may be spoken to in plain http."""
    assert is_loopback(host)
    assert not is_loopback("10.0.0.1")
    assert not is_loopback(None)


def test_the_three_places_of_a_key():
    """Header with a prefix, bare header, query parameter."""
    assert KeyPlace.parse("Authorization: ApiKey {key}") == KeyPlace("Authorization", "ApiKey {key}")
    assert KeyPlace.parse("X-API-Key: {key}") == KeyPlace("X-API-Key", "{key}")
    assert KeyPlace.parse("?api_key={key}") == KeyPlace("api_key", in_query=True)


@pytest.mark.parametrize("text", ["", "key", "X-API-Key: secret", "?api_key=abc", "a\r\nb: {key}"])
def test_a_place_without_a_key_is_refused(text):
    """A place says where the key goes, and holds no key itself."""
    with pytest.raises(im.ConfigError, match="api_key_in"):
        im.Profile("lab", base_url="https://lab.example", api_key_in=text)


WRONG = {
    "base_url = 5": "lab.base_url is 5. Write text, in quotes.",
    'base_url = ["https://x.example"]': "lab.base_url is ['https://x.example']. Write text, in quotes.",
    'base_url = " https://x.example"': "lab.base_url holds a space or a control character",
    'base_url = "https://x .example/a"': "lab.base_url holds a space or a control character",
    'base_url = "https://x.example/\\u0000"': "lab.base_url holds a space or a control character",
    'base_url = "https://x.example/v1?tenant=7"': "lab.base_url has a query",
    'token_url = "http://x.example/t?key=hunter2"': "lab.token_url is plain http: 'http://x.example/t'",
    "device_url = true": "lab.device_url is True",
    "paging = 5": "lab.paging is 5. Write text, in quotes.",
    "records = 5": "lab.records is 5",
    'paging = "foo"': "paging is 'foo'. Write none, link",
    "redirect_uri = 8400": "lab.redirect_uri is 8400",
    'redirect_uri = "http://127.0.0.1:99999/cb"': "lab.redirect_uri is not a URL",
    'redirect_uri = "http://127.0.0.1:0/cb"': "lab.redirect_uri is 'http://127.0.0.1:0/cb'. Leave the port out",
    'redirect_uri = "notaurl"': "lab.redirect_uri is 'notaurl'",
    'redirect_uri = "localhost:8400/cb"': "lab.redirect_uri is 'localhost:8400/cb'",
    'redirect_uri = "http://evil.example/cb"': "lab.redirect_uri is plain http",
    'api_key_in = "X-API-Key: hunter2"': "lab.api_key_in does not say where a key goes",
    'api_key_in = "Host: {key}"': "lab.api_key_in puts the key into Host",
    'read_only = "false"': "lab.read_only is 'false'. Write true or false, without quotes.",
    'cache = "no"': "lab.cache is 'no'. Write true or false",
    "client_id = 5": "lab.client_id is 5",
    'client_id = ""': "lab.client_id is ''",
    "check = 5": "lab.check is 5",
    "check = 2024-01-01": "lab.check is datetime.date(2024, 1, 1). Write text",
    "hub_token = true": "lab.hub_token is True",
    "scopes = 5": "lab.scopes is 5. Write a list of texts",
    "scopes = [1, 2]": "lab.scopes is [1, 2]. Write a list of texts",
    'client_auth = ["basic"]': "lab.client_auth is ['basic']",
    'auth_params = { audience = ["a", "b"] }': "lab.auth_params.audience is ['a', 'b']. Write one text",
    "auth_params = { consent = true }": "lab.auth_params.consent is True",
    'auth_params = { api_key = "hunter2" }': "lab.auth_params.api_key: secrets do not belong",
    'paths = "x"': "lab.paths is no table. Write paths = {",
    'paths = { reading = "/x" }': "lab.paths.reading is not a path that is asked for. Did you mean 'readings'",
    "paths = { readings = 5 }": "lab.paths.readings is 5",
    "catalog = 5": "lab.catalog is 5",
    'catalog = "http://evil.example/o"': "lab.catalog is plain http",
}


@pytest.mark.parametrize(("line", "said"), WRONG.items())
def test_a_field_that_cannot_be_is_named_with_what_stands_there(configured, line, said):
    """Not taken for something else, and no error of Python's; a secret in the wrong place is not quoted."""
    base = "" if line.startswith("base_url") else 'base_url = "https://lab.example"\n'
    with pytest.raises(im.ConfigError) as caught:
        load_profiles(configured(f"[lab]\n{base}{line}\n"))
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


RIGHT = (
    'redirect_uri = "{server}/proxy/{port}/callback"',
    'redirect_uri = "http://127.0.0.1:{port}/cb"',
    'redirect_uri = "http://localhost/cb"',
    'redirect_uri = "https://app.example/cb"',
    'redirect_uri = "com.example.app:/cb"',
    'redirect_uri = "urn:ietf:wg:oauth:2.0:oob"',
    'paging = ""\nrecords = ""',
    'scopes = ["read write", "x"]\nresources = "urn:a urn:b"',
    'token_url = "https://x.example/t?tenant=7"',
    'paths = { alert_rules = "/rules", webhooks = "/hooks" }',
    "read_only = true\ncache = false",
)


@pytest.mark.parametrize("lines", RIGHT)
def test_a_field_that_can_be_is_taken(configured, lines):
    """Positive control: whatever a redirect URI may be, and what people write."""
    assert "lab" in load_profiles(configured(f'[lab]\nbase_url = "https://lab.example"\n{lines}\n'))


def test_a_file_as_windows_writes_it_is_read(configured):
    """A mark of the byte order is no mistake."""
    assert "lab" in load_profiles(configured('\ufeff[lab]\nbase_url = "https://lab.example"\n'))


@pytest.mark.parametrize("named", ["none.toml", "lab.tml", "d/profiles.toml", "here.tml", "d"])
def test_a_config_variable_that_names_no_file_is_said_so(tmp_path, named):
    """Else a profile's own addresses would be passed over in silence. A folder may hold none yet."""
    (tmp_path / "d" / "profiles.toml").mkdir(parents=True)
    (tmp_path / "here.tml").touch()
    with pytest.raises(im.ConfigError, match=f"IMMUNE_NB_CONFIG names '.*{named}', which is"):
        load_profiles({"IMMUNE_NB_CONFIG": str(tmp_path / named)})
    assert "immune" in load_profiles({"IMMUNE_NB_CONFIG": str(tmp_path)})
    assert "immune" in load_profiles({"IMMUNE_NB_CONFIG": str(tmp_path / "later")})


def test_client_auth_takes_the_registered_names_too():
    """RFC 7591's words mean the same as ours."""
    ours = im.Profile("lab", base_url="https://lab.example", client_auth="client_secret_post")
    assert ours.client_auth == "body"
    with pytest.raises(im.ConfigError, match="client_auth"):
        im.Profile("lab", base_url="https://lab.example", client_auth="plain")


@pytest.mark.parametrize(
    "key", ["imk_wQsojQx3MEZ4SDfJNdjKfSLFQPK37vnV", "9f86d081884c7d659a2feaa0c55ad015", "a b=/+"]
)
def test_a_key_in_the_place_of_a_profile_is_not_repeated(key):
    """`im.connect(key)` is a slip that anybody may make: the error says what there is, and not what was given."""
    with pytest.raises(im.ConfigError, match="No profile of that name.*Known: iiniit, immune, sandbox") as caught:
        im.connect(key)
    assert key not in str(caught.value)
    with pytest.raises(im.ConfigError, match="No profile 'lab-7'"):
        im.connect("lab-7")


@pytest.mark.parametrize("kind", ["api_key", "token", "client_secret"])
@pytest.mark.parametrize("value", [b"bytes-x1y2z3", ["list-x1y2z3"], {"a": "x1y2z3"}])
def test_a_credential_that_is_no_text_is_said(kind, value):
    """A ConfigError with its type, and nothing of it."""
    more = {"client_id": "me"} if kind == "client_secret" else {}
    profile = im.Profile("lab", "http://127.0.0.1:9", token_url="http://127.0.0.1:9/t")
    with pytest.raises(im.ConfigError, match=f"is {type(value).__name__}. Give it as text") as caught:
        im.connect(profile, **{kind: value}, **more)
    assert "x1y2z3" not in str(caught.value)
