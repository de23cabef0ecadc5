import pytest

from headrace.app.loading import AppName, load
from headrace.errors import OperationError, UsageError


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a module with a name of its own into the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])

    def write(source: str, name: str) -> str:
        (tmp_path / f"{name}.py").write_text(source)
        return name

    yield write
    for path in tmp_path.glob("*.py"):
        __import__("sys").modules.pop(path.stem, None)


def test_an_app_is_found_in_the_current_folder(write):
    name = write("class Shop:\n    app = 'here'\n", "loading_found")
    assert load(AppName.parse(f"{name}:Shop.app")) == "here"


def test_a_factory_is_called(write):
    name = write("def create(): return 'made'\n", "loading_factory")
    assert load(AppName.parse(f"{name}:create"), factory=True) == "made"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("shop", "shop:app"),
        ("shop:", "shop:app"),
        ("shop.py:app", "shop:app"),
        ("src/shop.py", "src.shop:app"),
        ("shop:app()", "module:attribute"),
        ("sh op:app", "module:attribute"),
    ],
)
def test_what_is_no_name_is_wrong_usage_with_the_right_one(text, said):
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        AppName.parse(text)


def failure(text, *, factory=False):
    with pytest.raises(OperationError) as caught:
        load(AppName.parse(text), factory=factory)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_module_is_named_and_where_it_was_looked_for(write, tmp_path):
    write("", "loading_shop")
    said = failure("loading_shpo:app")
    assert "no module loading_shpo" in said
    assert str(tmp_path) in said
    assert "did you mean loading_shop:app?" in said


def test_a_missing_parent_is_named(write):
    assert "no module loading_nowhere" in failure("loading_nowhere.web:app")


def test_a_missing_attribute_is_named_and_what_there_is(write):
    name = write("def application(): ...\nnumber = 3\n", "loading_attribute")
    said = failure(f"{name}:app")
    assert f"{name}.py) has no app" in said
    assert "application" in said
    assert "number" not in said


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import loading_no_such_dependency\n", "ModuleNotFoundError: No module named 'loading_no_such_dependency'"),
        ("\n1 / 0\n", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        ("def app(:\n", "SyntaxError: "),
        ("import json\njson.loads('{')\n", "JSONDecodeError: "),
    ],
)
def test_an_import_that_fails_says_what_and_in_which_line(write, source, said):
    name = write(source, f"loading_fails_{abs(hash(source))}")
    text = failure(f"{name}:app")
    line = max(number for number, text in enumerate(source.splitlines(), 1) if text)
    assert said in text
    assert f"{name}.py, line {line}" in text


def test_a_factory_that_fails_says_where(write):
    name = write("def create():\n    raise ValueError('no settings')\n", "loading_bad_factory")
    said = failure(f"{name}:create", factory=True)
    assert "ValueError: no settings" in said
    assert "line 2" in said


def test_a_factory_that_is_none_is_said(write):
    name = write("app = 3\n", "loading_no_factory")
    assert "--factory" in failure(f"{name}:app", factory=True)
