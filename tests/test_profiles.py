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
        ('[lab]\nbase_uri = "https://x.example"', "base_uri is not a profile field. Did you mean base_url"),
        ('[lab]\nscopes = ["a"]', "malformed"),
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


def test_client_auth_takes_the_registered_names_too():
    """RFC 7591's words mean the same as ours."""
    ours = im.Profile("lab", base_url="https://lab.example", client_auth="client_secret_post")
    assert ours.client_auth == "body"
    with pytest.raises(im.ConfigError, match="client_auth"):
        im.Profile("lab", base_url="https://lab.example", client_auth="plain")
