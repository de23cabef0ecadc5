import dataclasses
import json
from xml.etree import ElementTree as ET

import pytest

from headrace.bench.chart import PANEL_WIDTH, Bar, Panel, chart
from headrace.bench.outcome import Outcome, outcome
from headrace.bench.report import markdown, number, panels, remarks, tables, write_results
from headrace.bench.rig import Effort
from headrace.bench.scenario import Contestant, Row, Sample, Scenario
from headrace.errors import OperationError

SVG = "{http://www.w3.org/2000/svg}"


def row(ours=8.0, *, target=0.8, name="http1", title="HTTP/1.1 & more", missing=None, errors=0):
    contestants = [
        Contestant(each, (), lambda _: Sample(1.0), each == "headrace") for each in ("headrace", "nginx", "h2o")
    ]
    samples = {"headrace": [Sample(ours, errors), Sample(ours)], "nginx": [Sample(11.0), Sample(13.0)]}
    if not missing:
        samples["h2o"] = [Sample(20.0)]
    return Row(Scenario(name, title, "µs", tuple(contestants), target), samples, missing or {})


def test_the_table_shows_figures_the_ratio_and_the_target():
    assert tables([row()]) == [
        (
            ["work", "unit", "headrace", "nginx", "h2o", "ratio", "target"],
            [["HTTP/1.1 & more", "µs", "8.00", "12.0", "20.0", "0.67 of nginx", "<= 0.80, reached"]],
        )
    ]


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [(row(9.7), "<= 0.80, missed"), (row(target=None), "-"), (row(errors=3), "<= 0.80")],
)
def test_the_verdict_says_what_holds(measured, verdict):
    ((_, lines),) = tables([measured])
    assert lines[0][-1] == verdict


@pytest.mark.parametrize(("limit", "verdict"), [(10.0, "<= 10.0 µs, reached"), (7.5, "<= 7.50 µs, missed")])
def test_a_limit_holds_for_ours_alone(limit, verdict):
    measured = row(target=None)
    limited = Row(dataclasses.replace(measured.scenario, limit=limit), measured.samples, {})
    ((_, lines),) = tables([limited])
    assert lines[0][-1] == verdict
    assert panels([limited])[0].wanted == limit


def test_each_of_ours_may_have_a_target_of_its_own():
    contestants = [
        Contestant("direct", (), lambda _: Sample(1.0)),
        Contestant("balancer", (), lambda _: Sample(1.0), ours=True, target=1.05),
        Contestant("cache", (), lambda _: Sample(1.0), ours=True, target=0.2),
    ]
    samples = {"direct": [Sample(100.0)], "balancer": [Sample(102.0)], "cache": [Sample(30.0)]}
    ((_, lines),) = tables([Row(Scenario("replay", "a page", "ms", tuple(contestants)), samples, {})])
    assert lines[0][-2:] == ["1.02, 0.30 of direct", "balancer <= 1.05, reached; cache <= 0.20, missed"]


def test_what_others_measured_elsewhere_is_drawn_beside(tmp_path):
    measured = row(name="replay")
    beside = Row(dataclasses.replace(measured.scenario, beside={"direct": 590.0}), measured.samples, {})
    written = write_results(outcome([beside, row()], Effort(), 0.02), tmp_path)
    assert [path.name for path in written] == ["results.json", "results.md", "results.svg", "replay.svg"]
    picture = ET.parse(tmp_path / "replay.svg")
    assert {"In the article", "590", "12.0"} <= {text.text for text in picture.iter(f"{SVG}text")}
    lengths = [float(bar.get("width")) for bar in picture.iter(f"{SVG}rect") if bar.get("class") == "peer"]
    assert lengths[0] / lengths[-1] == pytest.approx(12 / 590, abs=0.01)
    assert "(replay.svg)" in (tmp_path / "results.md").read_text()


def test_missing_and_invalid_are_shown_in_place_of_a_figure_and_explained():
    measured = row(missing={"h2o": "apt install h2o"}, errors=3)
    ((_, lines),) = tables([measured])
    assert lines[0][2:6] == ["invalid", "12.0", "missing", "-"]
    assert remarks([measured]) == ["missing: h2o (apt install h2o)", "invalid: http1: headrace: 3 errors"]


@pytest.mark.parametrize(("figure", "text"), [(8.432, "8.43"), (11.62, "11.6"), (464.4, "464"), (10718, "10,718")])
def test_numbers_have_about_three_digits(figure, text):
    assert number(figure) == text


def test_the_page_names_machine_effort_and_versions():
    page = markdown(
        Outcome(
            "2026-01-01",
            {"processor": "Z80", "cores": "2", "kernel": "Linux 6"},
            0.02,
            Effort(),
            {"nginx": "1.2"},
            [row()],
        )
    )
    assert "Z80, 2 cores, Linux 6; others used 2% of it just before; 4 s for each figure, median of 2 rounds" in page
    assert "| HTTP/1.1 & more | µs | 8.00 | 12.0 | 20.0 | 0.67 of nginx | <= 0.80, reached |" in page
    assert "Versions: nginx 1.2." in page


def test_results_are_written_as_data_page_and_picture(tmp_path):
    folder = tmp_path / "new" / "results"
    write_results(outcome([row()], Effort(rounds=2), 0.02), folder)
    data = json.loads((folder / "results.json").read_text())
    (scenario,) = data["scenarios"]
    assert scenario["best_peer"] == "nginx"
    assert scenario["figures"]["headrace"]["median"] == 8.0
    assert [each["value"] for each in scenario["figures"]["nginx"]["rounds"]] == [11.0, 13.0]
    assert (folder / "results.md").read_text().startswith("# Results")
    ET.parse(folder / "results.svg")


def test_results_that_cannot_be_written_are_one_clear_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OperationError, match="cannot write the results"):
        write_results(outcome([row()], Effort(), 0.0), tmp_path / "file")


def test_the_chart_is_well_formed_and_shows_each_figure_once():
    picture = ET.fromstring(chart(panels([row(), row(title="other"), row(title="odd one")])))
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert [text for text in texts if text in {"HTTP/1.1 & more", "other", "odd one"}] == [
        "HTTP/1.1 & more",
        "other",
        "odd one",
    ]
    assert texts.count("12.0") == 3


def test_the_longest_bar_leaves_room_for_figures_and_lengths_are_in_proportion():
    picture = ET.fromstring(chart([Panel("t", "u", [Bar("a", 50, 40, 60, "50"), Bar("b", 100, 100, 100, "100")])]))
    lengths = [float(bar.get("width")) for bar in picture.iter(f"{SVG}rect") if bar.get("class") == "peer"]
    assert lengths[0] * 2 == pytest.approx(lengths[1], abs=0.2)
    assert lengths[1] < PANEL_WIDTH


def test_the_chart_has_colours_for_light_and_dark():
    assert "prefers-color-scheme: dark" in chart(panels([row()]))
