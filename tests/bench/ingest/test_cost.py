import dataclasses
from pathlib import Path

import pytest

from headrace.bench.ingest.cost import ACCEPTING, LANDING, payloads_of
from headrace.bench.ingest.disk import syncs_a_second
from headrace.bench.ingest.durable import published
from headrace.bench.ingest.latency import LATENCY
from headrace.bench.ingest.objects import OBJECTS
from headrace.bench.tools import GO, NATS, WRK


@pytest.mark.parametrize("contestant", ACCEPTING.contestants, ids=lambda each: each.name)
def test_each_contestant_of_accepting_is_measured(rig, need, contestant):
    need(*contestant.tools)
    sample = contestant.measure(rig)
    assert sample.valid, sample
    assert sample.value > 0
    assert "POST/min" in sample.note


@pytest.mark.parametrize("scenario", [ACCEPTING, LANDING], ids=lambda each: each.name)
def test_ours_is_judged_by_the_usual_service_in_go_alone(scenario):
    assert scenario.against == ("go",)
    assert {"go", "go-lean"} <= {each.name for each in scenario.contestants}


def test_what_is_measured_has_landed_to_the_last_payload(rig, need):
    need(WRK)
    sample = LANDING.contestants[0].measure(rig)
    assert sample.valid, sample
    assert "all landed" in sample.note


@pytest.mark.parametrize("contestant", OBJECTS.contestants, ids=lambda each: each.name)
def test_each_contestant_uploads_each_payload(rig, need, contestant):
    need(*contestant.tools)
    sample = contestant.measure(rig)
    assert sample.valid, sample
    assert "3000 objects" in sample.note


@pytest.mark.parametrize("contestant", LATENCY.contestants, ids=lambda each: each.name)
def test_each_contestant_is_timed_at_the_same_rate(rig, need, contestant):
    need(*contestant.tools)
    sample = contestant.measure(rig)
    assert sample.valid, sample
    assert sample.value > 0


def test_jetstream_acknowledges_what_is_published(rig, need):
    need(NATS, GO, WRK)
    sample = published(rig)
    assert sample.valid, sample
    assert sample.value > 0


def test_an_objects_name_tells_how_many_payloads_it_holds():
    assert payloads_of(Path("dt=2026-01-05/hour=08/bench-0000000000000001-0000000000000300.ndjson.gz")) == 300
    assert payloads_of(Path("something-else")) == 0


def test_the_disks_syncs_are_counted_once_for_a_run(rig):
    assert syncs_a_second(rig) > 0
    assert syncs_a_second(rig) == syncs_a_second(rig)
    assert syncs_a_second(dataclasses.replace(rig)) > 0
    assert not (rig.setting.folder / "disk").exists()
