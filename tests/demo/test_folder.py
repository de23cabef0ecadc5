import pytest

from headrace.demo.data import OWN_POSTS
from headrace.demo.folder import read_pictures, read_posts
from headrace.errors import UsageError


def test_the_demos_own_posts_are_a_dozen_and_their_pictures_exist():
    posts = read_posts(OWN_POSTS)
    assert len(posts) == 12
    pictures = read_pictures(OWN_POSTS)
    mentioned = [name for name in pictures if any(f"(/pictures/{name})" in post.draft.body for post in posts)]
    assert sorted(mentioned) == sorted(pictures)
    assert sum(post.draft.body.count("](/pictures/") for post in posts) == len(pictures)
    assert sum(len(post.draft.body.split()) > 800 for post in posts) >= 4


def test_front_matter_is_optional(tmp_path):
    (tmp_path / "On water.md").write_text("It flows.")
    (post,) = read_posts(tmp_path)
    assert post.slug == "on-water"
    assert post.draft.title == "On water"
    assert post.draft.body == "It flows."


def test_front_matter_is_read_and_the_newest_comes_first(tmp_path):
    (tmp_path / "a.md").write_text("---\ntitle: One: first\ndate: 2026-01-01\nauthor: Ada\n---\nText\n\n---\nmore")
    (tmp_path / "b.md").write_text("---\ndate: 2026-02-01\n---\nText")
    posts = read_posts(tmp_path)
    assert [post.slug for post in posts] == ["b", "a"]
    assert posts[1].draft.title == "One: first"
    assert posts[1].draft.body == "Text\n\n---\nmore"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"---\ntitle: x\n", "no closing ---"),
        (b"---\ndate: yesterday\n---\nText", "yesterday"),
        (b"\xff\xfe", "can't decode"),
        (b"", "body is missing"),
    ],
)
def test_a_file_that_is_no_post_is_named(tmp_path, content, says):
    (tmp_path / "a.md").write_bytes(content)
    with pytest.raises(UsageError, match=says) as caught:
        read_posts(tmp_path)
    assert "a.md" in str(caught.value)


def test_two_files_of_one_address_are_told(tmp_path):
    (tmp_path / "a b.md").write_text("One")
    (tmp_path / "a-b.md").write_text("Two")
    with pytest.raises(UsageError, match="a-b"):
        read_posts(tmp_path)


def test_a_folder_without_posts_is_told(tmp_path):
    with pytest.raises(UsageError, match="holds no"):
        read_posts(tmp_path)
    with pytest.raises(UsageError, match="there is no folder"):
        read_posts(tmp_path / "nowhere")


def test_only_pictures_are_taken_as_such(tmp_path):
    (tmp_path / "pictures").mkdir()
    for name in ("a.png", "B.png", "c.html"):
        (tmp_path / "pictures" / name).write_bytes(b"x")
    assert list(read_pictures(tmp_path)) == ["a.png"]
