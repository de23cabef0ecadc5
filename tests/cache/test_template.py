"""Keys and tags by template: what they are, what is refused at decoration, and that no two calls share one."""

import datetime as dt
import enum
import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace.cache.errors import DecorationError
from headrace.cache.rendering import text_of
from headrace.cache.template import LONGEST, key_maker, tags_maker
from headrace.errors import UsageError


class Colour(enum.Enum):
    RED = "red"


class Post:
    id = 7


def show(post_id, page=1, *, lang="en"): ...


def anything(*args, **kwargs): ...


def test_positional_keyword_and_default_arguments_give_the_same_key():
    key = key_maker(show, "post:{post_id}:{page}:{lang}")
    assert key(3) == key(post_id=3) == key(3, 1) == key(3, page=1, lang="en") == "post:3:1:en"


def test_attributes_and_items_are_reached():
    def f(post, options): ...

    assert (
        key_maker(f, "{post.id}/{options[size]}/{options[rows][0]}")(Post(), {"size": "big", "rows": [4]}) == "7/big/4"
    )


def test_without_a_template_the_key_is_of_name_and_arguments():
    assert key_maker(show, None)(3) == f"{__name__}.show:3:1:en"
    assert key_maker(anything, None)(1, b=2) == f"{__name__}.anything:(1):{{b=2}}"


def test_wrong_arguments_are_refused_as_the_function_would():
    with pytest.raises(TypeError, match=r"show\(\) missing 1 required positional argument: 'post_id'"):
        key_maker(show, "post:{post_id}")()


def test_braces_written_twice_are_text():
    assert key_maker(show, "{{{post_id}}}")(3) == "{3}"


def test_a_template_without_fields_is_one_key():
    assert key_maker(show, "front")(3) == "front"


def test_tags_are_templates():
    assert tags_maker(show, ["posts", "post:{post_id}"])(3) == ["posts", "post:3"]
    assert tags_maker(show, ())(3) == []


@pytest.mark.parametrize(
    ("template", "what"),
    [
        ("post:{id}", "there is no argument 'id'"),
        ("post:{post_id", "expected '}'"),
        ("post:post_id}", "Single '}'"),
        ("post:{}", "names no argument"),
        ("post:{0}", "names no argument"),
        ("post:{post_id:>3}", "has a format"),
        ("post:{post_id!r}", "has a format"),
        ("post:{post_id()}", "names no argument"),
        ("{post_id}{page}", "nothing separates {page}"),
        ("{post_id}{{-}}{page}", "nothing separates {page}"),
    ],
)
def test_a_template_that_does_not_fit_is_refused_by_function_and_template(template, what):
    with pytest.raises(DecorationError, match="show") as error:
        key_maker(show, template)
    assert what in str(error.value)
    assert repr(template) in str(error.value)
    assert isinstance(error.value, ValueError)


def test_a_method_without_a_template_is_refused_with_an_example():
    class Blog:
        def show(self, post_id): ...

    with pytest.raises(DecorationError, match=r"\{self.id\}:\{post_id\}"):
        key_maker(Blog.show, None)


def test_one_text_is_no_list_of_tags():
    with pytest.raises(DecorationError, match="give a list"):
        tags_maker(show, "posts")


def test_a_value_without_lasting_text_is_refused():
    with pytest.raises(UsageError, match=r"Post can't be part of a cache key.*like \{user.id\}"):
        key_maker(show, "post:{post_id}")(Post())


def test_as_text_a_number_and_its_text_are_the_same():
    key = key_maker(show, "post:{post_id!s}")
    assert key(3) == key("3") == "post:3"


def test_a_long_key_is_bounded_and_still_its_own():
    key = key_maker(show, "post:{post_id}")
    one, other = key("a" * 5000), key("a" * 5001)
    assert one != other
    assert len(one) <= LONGEST


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a b:c", "a%20b%3Ac"),
        ("grün", "grün"),
        ("", '""'),
        ("None", '"None"'),
        ("-3", '"-3"'),
        (None, "None"),
        (True, "True"),
        (1.5, "float(1.5)"),
        (b"\x00a", "bytes(0061)"),
        (dt.date(2026, 11, 23), "date(2026-11-23)"),
        (uuid.UUID(int=1), "UUID(00000000-0000-0000-0000-000000000001)"),
        (Colour.RED, f"{__name__}.Colour(RED)"),
        (Post, f"{__name__}.Post()"),
        ([1, ("a",)], "[1,(a)]"),
        ({"b": 1, "a": {2}}, "{a=<2>,b=1}"),
    ],
)
def test_texts_of_values(value, text):
    assert text_of(value) == text


scalars = st.one_of(
    st.text(),
    st.text(alphabet="0123456789-+:/%\"'(),=[]{}<>.eNoneTrueinf "),
    st.integers(),
    st.floats(allow_nan=False).filter(lambda number: not number.is_integer()),
    st.binary(),
    st.none(),
    st.dates(),
    st.datetimes(),
    st.times(),
    st.timedeltas(),
    st.uuids(),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(), inner, max_size=3),
    ),
    max_leaves=6,
)


@given(values, values, values, values)
@example("a:b", "c", "a", "b:c")
@example("3", 1, 3, 1)
@example("None", "", None, "")
@example(["a,b"], 1, ["a", "b"], 1)
@example({"a": "1,b=2"}, 1, {"a": 1, "b": 2}, 1)
def test_no_two_calls_share_a_key(a, b, c, d):
    for template in ("x:{post_id}:{page}", "{post_id}/a{page}", "{post_id}e|1{page}", None):
        key = key_maker(show, template)
        assert (key(a, b) == key(c, d)) == ((a, b) == (c, d))


@given(st.lists(values, max_size=4), st.lists(values, max_size=4))
def test_no_two_argument_lists_share_a_key(one, other):
    key = key_maker(anything, None)
    assert (key(*one) == key(*other)) == (one == other)
