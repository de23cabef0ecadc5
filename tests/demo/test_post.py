import pytest

from headrace.demo.post import LIMITS, Draft, Post, minutes, read_draft, slug


def test_a_draft_is_read_as_it_was_written():
    fields = {"title": "A", "author": "B", "summary": "C", "body": "D\n\nE", "picture": "a-b.png"}
    assert read_draft(fields) == (Draft("A", "B", "C", "D\n\nE", "a-b.png"), {})


def test_each_missing_field_is_named():
    assert read_draft({})[1] == {"title": "is missing", "author": "is missing", "body": "is missing"}


@pytest.mark.parametrize("name", LIMITS)
def test_each_field_has_a_limit(name):
    fields = {"title": "A", "author": "B", "body": "C", name: "x" * LIMITS[name]}
    assert read_draft(fields)[1] == {}
    assert name in read_draft({**fields, name: "x" * (LIMITS[name] + 1)})[1]


@pytest.mark.parametrize("value", [1, None, ["a"], {"a": 1}])
def test_what_is_not_text_is_told(value):
    assert read_draft({"title": value, "author": "B", "body": "C"})[1] == {"title": "must be text"}


@pytest.mark.parametrize("picture", ["../x.png", "a.exe", "A.png", ".png", "a/b.png"])
def test_a_picture_is_a_plain_name(picture):
    assert "picture" in read_draft({"title": "A", "author": "B", "body": "C", "picture": picture})[1]


def test_control_characters_and_carriage_returns_are_dropped_and_titles_have_one_line():
    draft, _ = read_draft({"title": "A\r\nB\x00", "author": "C", "body": "D\r\nE\x1b\tF\x7f\ud800"})
    assert draft.title == "A B"
    assert draft.body == "D\nE\tF"


@pytest.mark.parametrize(
    ("title", "key"),
    [("Crème brûlée, twice!", "creme-brulee-twice"), ("?", "post"), ("水", "post"), ("a" * 100, "a" * 80)],
)
def test_a_slug_is_plain(title, key):
    assert slug(title) == key


def test_reading_takes_at_least_a_minute():
    assert minutes("") == 1
    assert minutes("word " * 690) == 3


def test_a_post_is_the_same_after_the_wire():
    post = Post("a", 3, "2026-01-02", Draft("A", "B", "C", "D", "e.png"))
    assert Post.from_json(post.as_json()) == post
