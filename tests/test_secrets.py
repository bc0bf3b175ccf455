"""A Secret gives itself away to nobody but `reveal`."""

import copy
import json
import pickle
import pprint

import pytest

from immune_nb.auth.secrets import Secret
from immune_nb.errors import ConfigError

CANARY = "canary-7f3a91"


@pytest.mark.parametrize(
    "show",
    [repr, str, "{}".format, "{0!r:>30}".format, pprint.pformat, vars_ := lambda s: str(dir(s)), lambda s: f"{s}"],
)
def test_no_way_of_showing_shows_it(show):
    """repr, str, format, pprint and dir hide the text; `reveal` tells it, so the text is there."""
    secret = Secret(CANARY, "API key")
    assert CANARY not in show(secret)
    assert secret.reveal() == CANARY


@pytest.mark.parametrize("carry", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps])
def test_no_way_of_carrying_carries_it(carry):
    """Pickle, copy and JSON raise instead of writing it down."""
    with pytest.raises(TypeError) as caught:
        carry(Secret(CANARY))
    assert CANARY not in str(caught.value)


def test_what_a_paste_adds_is_cut():
    """Line ends and spaces around a pasted key are not part of it."""
    assert Secret(f"  {CANARY}\r\n").reveal() == CANARY


@pytest.mark.parametrize("text", [f"{CANARY}\nX: y", f"{CANARY}\0", f"{CANARY}é", "", "  \n"])
def test_what_no_header_can_carry_is_refused_unechoed(text):
    """A malformed key is refused before httpx could quote it."""
    with pytest.raises(ConfigError) as caught:
        Secret(text)
    assert CANARY not in str(caught.value)
    assert all(CANARY not in str(value) for value in caught.value.__traceback__.tb_next.tb_frame.f_locals.values())


def test_of_keeps_a_secret_as_it_is():
    """A Secret given where text may be given stays itself."""
    secret = Secret(CANARY)
    assert Secret.of(secret) is secret
