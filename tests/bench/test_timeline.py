from xml.etree import ElementTree as ET

import pytest

from headrace.bench.outcome import outcome
from headrace.bench.report import timelines, write_results
from headrace.bench.rig import Effort
from headrace.bench.scenario import Contestant, Row, Sample, Scenario
from headrace.bench.timeline import HEAD, HEIGHT, WIDTH, Line, timeline

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*values, ours=False):
    line = Line("a & b", [(float(at), float(value)) for at, value in enumerate(values)], ours)
    picture = ET.fromstring(timeline("t", {"figure": [line]}))
    (points,) = (each.get("points") for each in picture.iter(f"{SVG}polyline"))
    return picture, [tuple(map(float, point.split(","))) for point in points.split()]


def test_a_line_spans_the_width_and_its_height_is_in_proportion():
    _, points = drawn(0, 50, 100)
    assert points == [(0, HEAD + HEIGHT), (WIDTH / 2, HEAD + HEIGHT / 2), (WIDTH, HEAD)]


def test_more_than_two_decades_are_drawn_by_the_logarithm():
    picture, points = drawn(1, 100, 10_000)
    assert points[1][1] == pytest.approx(HEAD + HEIGHT / 2)
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert "figure, logarithmic" in texts
    assert {"1", "10", "100", "1,000", "10,000"} <= set(texts)


def test_values_that_never_move_are_drawn_too():
    assert len(drawn(0, 0, 0)[1]) == 3


def row():
    contestants = tuple(Contestant(name, (), lambda _: Sample(1.0), name == "headrace") for name in ("headrace", "go"))
    samples = {
        "headrace": [Sample(1.0, series={"memory": [(0, 1), (1, 9)]}), Sample(1.0, series={"memory": [(0, 2)]})],
        "go": [Sample(2.0)],
    }
    return Row(Scenario("soak", "Soak", "MiB", contestants), samples, {})


def test_the_last_round_of_each_contestant_that_was_watched_is_drawn():
    ((name, picture),) = timelines([row()]).items()
    assert name == "soak.svg"
    (line,) = ET.fromstring(picture).iter(f"{SVG}polyline")
    assert len(line.get("points").split()) == 1


def test_the_picture_is_among_the_results(tmp_path):
    paths = write_results(outcome([row()], Effort(), 0.0), tmp_path)
    assert tmp_path / "soak.svg" in paths
    assert "![soak over time](soak.svg)" in (tmp_path / "results.md").read_text()
