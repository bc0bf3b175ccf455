"""The error tree, and what its messages may hold."""

import inspect
import traceback

import pytest

from immune_nb import errors

CLASSES = [c for c in vars(errors).values() if inspect.isclass(c) and issubclass(c, errors.ImmuneError)]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_class_stands_in_the_drawn_tree(kind):
    """The tree in the docstring is the tree in the code."""
    assert kind.__name__ in errors.__doc__
    assert kind.__name__ in errors.__all__


def test_message_and_hint_read_as_one_line():
    """An error says what was wrong and what to do next, in one line."""
    error = errors.QueryError("limit is 0.", hint="Give a whole number above 0.")
    assert str(error) == "limit is 0. Give a whole number above 0."
    assert error._render_traceback_() == ["QueryError: limit is 0. Give a whole number above 0."]


def test_quoted_text_is_capped_and_cannot_act():
    """What a server says is shown on one line, without control characters, and not endlessly."""
    assert errors.quoted("a\r\nb\x1b[31m\u202ec") == "a b [31m c"
    assert len(errors.quoted("x" * 1000)) == 200


def test_a_plain_traceback_still_exists():
    """Python's own traceback is not taken from anybody who wants it."""
    with pytest.raises(errors.ConfigError) as caught:
        raise errors.ConfigError("no")
    assert "test_a_plain_traceback" in "".join(traceback.format_exception(caught.value))
