"""Where settings come from, and what is said about wrong ones."""

import inspect
import json
import re
from pathlib import Path

import pytest

from headrace.errors import OperationError, UsageError
from headrace.settings import (
    SECTIONS,
    AppSettings,
    BalancerSettings,
    ClientLimits,
    ForwardingOptions,
    IngestSettings,
    TlsSettings,
    explain,
    load,
    sample,
)
from headrace.settings.loading import tomllib


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "headrace.toml"


def test_a_flag_comes_before_the_environment_before_the_file_before_the_default(file):
    assert load(AppSettings, {}, environ={}).port == 3000
    file.write_text("[app]\nport = 3001\n")
    assert load(AppSettings, {"port": None}, environ={}).port == 3001
    environ = {"HEADRACE_APP_PORT": "3002"}
    assert load(AppSettings, {}, environ=environ).port == 3002
    assert load(AppSettings, {"port": 3003}, environ=environ).port == 3003


def test_a_second_name_of_a_variable_comes_after_the_first_and_before_the_file(file):
    file.write_text("[ingest]\nworkers = 1\n")
    assert load(IngestSettings, {}, environ={"MAX_WORKERS": "2"}).workers == 2
    assert load(IngestSettings, {}, environ={"MAX_WORKERS": "2", "HEADRACE_INGEST_WORKERS": "3"}).workers == 3
    assert load(IngestSettings, {"workers": "4"}, environ={"MAX_WORKERS": "2"}).workers == 4
    sources = {
        row.key: row.source for row in explain(IngestSettings, {}, environ={"MAX_QUEUE": "5", "MAX_LENGTH": "1k"})
    }
    assert (sources["queue"], sources["max_length"]) == ("MAX_QUEUE", "MAX_LENGTH")


def test_the_source_of_each_setting_is_told(file):
    file.write_text("[balancer]\nplain = true\n\n[app]\n# a comment\nport = 3001\n")
    rows = explain(AppSettings, {"host": "0.0.0.0"}, environ={"HEADRACE_APP_WORKERS": "2"})
    sources = {row.key: row.source for row in rows}
    assert sources["host"] == "--host"
    assert sources["workers"] == "HEADRACE_APP_WORKERS"
    assert sources["port"] == "headrace.toml:6"
    assert sources["drain"] == "default"


def test_another_file_can_be_named(file, tmp_path):
    file.write_text("[app]\nport = 1\n")
    other = tmp_path / "other.toml"
    other.write_text("[app]\nport = 2\n")
    assert load(AppSettings, {}, file=other, environ={}).port == 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("1h", 3600), ("250ms", 0.25), ("1.5 s", 1.5), ("7", 7), (7, 7), (0.5, 0.5)],
)
def test_durations_are_read(file, text, seconds):
    assert load(AppSettings, {"drain": text}, environ={}).drain == seconds


@pytest.mark.parametrize(
    ("text", "size"), [("16 MiB", 2**24), ("64k", 65536), ("64KB", 65536), ("1.5M", 1572864), ("10", 10), (10, 10)]
)
def test_sizes_are_read(file, text, size):
    assert load(BalancerSettings, {"max_body": text}, environ={}).max_body == size


@pytest.mark.parametrize(("text", "value"), [("true", True), ("Yes", True), ("0", False), ("off", False)])
def test_switches_are_read_from_the_environment(file, text, value):
    assert load(AppSettings, {}, environ={"HEADRACE_APP_PLAIN": text}).plain is value


def test_lists_are_read_from_the_file_the_environment_and_repeated_flags(file):
    file.write_text('[balancer]\nroutes = ["/a=a", "/b=b"]\n')
    assert load(BalancerSettings, {}, environ={}).routes == ("/a=a", "/b=b")
    assert load(BalancerSettings, {"routes": ()}, environ={}).routes == ("/a=a", "/b=b")
    assert load(BalancerSettings, {}, environ={"HEADRACE_BALANCER_ROUTES": "/c=c, /d=d"}).routes == ("/c=c", "/d=d")
    assert load(BalancerSettings, {"routes": ("/e=e",)}, environ={}).routes == ("/e=e",)


def test_what_can_be_unset_is_unset_by_an_empty_text(file):
    file.write_text('[app]\nversion = "1.0"\n')
    assert load(AppSettings, {}, environ={"HEADRACE_APP_VERSION": ""}).version is None


def test_paths_may_start_at_home(file):
    assert load(AppSettings, {"ca": "~/ca.pem"}, environ={}).ca == Path.home() / "ca.pem"
    assert load(BalancerSettings, {}, environ={"HEADRACE_BALANCER_CERT": "~/a, b"}).cert == (
        Path.home() / "a",
        Path("b"),
    )
    assert load(BalancerSettings, {"cert": (Path("a"), Path("b"))}, environ={}).cert == (Path("a"), Path("b"))


@pytest.mark.parametrize(
    ("key", "value", "accepted"),
    [
        ("port", "http", "a whole number from 0 to 65535"),
        ("port", 65536, "a whole number from 0 to 65535"),
        ("port", True, "a whole number"),
        ("port", 1.5, "a whole number"),
        ("drain", "30 fortnights", "duration"),
        ("drain", -1, "duration"),
        ("drain", 0, "duration"),
        ("drain", "nan", "duration"),
        ("interface", "cgi", "auto, asgi, wsgi"),
        ("plain", "maybe", "true or false"),
        ("host", "", "text"),
        ("host", 5, "text"),
        ("host", "a\nb", "text"),
        ("service", 5, "list"),
        ("workers", 0, "from 1"),
    ],
)
def test_a_value_that_cannot_be_read_names_key_source_and_what_is_accepted(file, key, value, accepted):
    with pytest.raises(UsageError) as caught:
        load(AppSettings, {key: value}, environ={})
    assert f"setting {key} from --{key}" in str(caught.value)
    assert accepted in str(caught.value)


def test_a_wrong_value_in_the_file_names_its_line(file):
    file.write_text('[app]\nhost = "x"\nport = "many"\n')
    with pytest.raises(UsageError, match=r"headrace\.toml:3 cannot be 'many'"):
        load(AppSettings, {}, environ={})


def test_an_unknown_key_names_its_line_and_the_nearest(file):
    file.write_text("[app]\n\nprot = 3000\n")
    with pytest.raises(UsageError, match=r"headrace\.toml:3 has an unknown setting prot in \[app\]; did you mean port"):
        load(BalancerSettings, {}, environ={})


def test_an_unknown_section_names_its_line_and_the_nearest(file):
    file.write_text("[balancer]\n[balencer]\n")
    with pytest.raises(UsageError, match=r"headrace\.toml:2 .*\[balencer\]; did you mean \[balancer\]"):
        load(AppSettings, {}, environ={})


def test_an_unknown_variable_of_a_known_section_is_refused(file):
    with pytest.raises(UsageError, match="HEADRACE_APP_PROT in the environment; did you mean HEADRACE_APP_PORT"):
        load(BalancerSettings, {}, environ={"HEADRACE_APP_PROT": "1"})


def test_other_variables_are_none_of_our_business(file):
    load(AppSettings, {}, environ={"HEADRACE_HOME": "/x", "HEADRACE_WORKER": "1", "APP_PORT": "x"})


def test_a_file_that_is_not_toml_is_refused(file):
    file.write_text("[app\n")
    with pytest.raises(UsageError, match=r"headrace\.toml is not TOML"):
        load(AppSettings, {}, environ={})


def test_a_named_file_must_exist(file, tmp_path):
    with pytest.raises(OperationError, match=r"missing\.toml"):
        load(AppSettings, {}, file=tmp_path / "missing.toml", environ={})


def uncommented() -> str:
    return re.sub(r"^# (\w+ = )", r"\1", sample(), flags=re.MULTILINE)


def test_the_sample_file_holds_every_key_and_its_default(file):
    tomllib.loads(sample())
    file.write_text(uncommented())
    assert set(tomllib.loads(uncommented())) == {section.name for section in SECTIONS}
    for section in SECTIONS:
        assert load(section, {}, environ={}) == section()
        assert not [row for row in explain(section, {}, environ={}) if row.source == "default"]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_every_default_reads_back_from_what_is_shown(section):
    for key in section.keys().values():
        assert key.read(key.show(key.default)) == key.default
        assert key.help


def stub_defaults(name: str) -> dict[str, str]:
    """The keyword arguments of a class of the core and their defaults, as its stub has them."""
    import headrace

    text = (Path(headrace.__file__).parent / "_core.pyi").read_text()
    body = text[text.index(f"class {name}:") :]
    return dict(re.findall(r"^        (\w+): [^=\n]+ = ([^\n]+),$", body[: body.index(") -> ")], flags=re.MULTILINE))


@pytest.mark.parametrize(("section", "name"), [(ClientLimits, "Limits"), (ForwardingOptions, "BalancerOptions")])
def test_settings_have_the_names_and_defaults_of_the_core(section, name):
    expected = stub_defaults(name)
    keys = section.keys()
    assert set(keys) == set(expected)
    for key, default in expected.items():
        assert repr(keys[key].default) == default


def test_sections_are_frozen():
    with pytest.raises(AttributeError):
        TlsSettings().names = ("x",)
    assert all(inspect.isclass(section) for section in SECTIONS)


def test_the_verb_shows_settings_and_hides_the_token(headrace):
    environ = {"HEADRACE_BALANCER_TOKEN": "s3cret", "HEADRACE_BALANCER_ADDRESS": "127.0.0.1:0"}
    done = headrace("settings", "balancer", "--json", environ=environ)
    rows = {row["setting"]: row for row in json.loads(done.stdout)}
    assert rows["balancer.token"]["value"] == "(secret)"
    assert rows["balancer.address"] == {
        "setting": "balancer.address",
        "value": "127.0.0.1:0",
        "source": "HEADRACE_BALANCER_ADDRESS",
    }
    assert "s3cret" not in done.stdout + headrace("settings", environ=environ).stdout
    tokens = {"HEADRACE_INGEST_TOKENS": "s3cret, other"}
    assert "s3cret" not in headrace("settings", "ingest", environ=tokens).stdout


def test_the_verb_prints_the_sample(headrace):
    assert headrace("settings", "--sample").stdout == sample()


def test_an_unknown_setting_stops_a_verb_with_one_line(fails):
    assert "did you mean HEADRACE_BALANCER_POLICY" in fails(2, "settings", environ={"HEADRACE_BALANCER_POLICI": "x"})


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_every_setting_is_documented_with_its_default(section):
    text = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
    for key in section.keys().values():
        shown = key.show(key.default)
        assert f"| `{key.name}` | {f'`{shown}`' if shown else '-'} | {key.help} |" in text
