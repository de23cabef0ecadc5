import json
import zlib

from headrace.bench.ingest.bodies import EMPTY, PAYLOADS, collections, write_collection, write_collections


def test_collections_are_json_of_the_right_shape_and_the_same_each_time():
    one, other = list(collections(20)), list(collections(20))
    assert one == other
    for text in [*one, EMPTY]:
        assert json.loads(text).keys() == {"version", "token", "data"}
    assert {len(json.loads(text)["data"]) for text in one} == {PAYLOADS}


def test_all_of_them_differ_and_no_window_of_gzip_holds_a_repetition():
    texts = list(collections())
    assert len(set(texts)) == len(texts)
    data = "\n".join(texts).encode()
    assert len(data) > 2 * len(zlib.compress(data, 9))


def test_files_hold_one_collection_a_line(tmp_path):
    lines = write_collections(tmp_path).read_text().splitlines()
    assert lines == list(collections())
    assert write_collection(tmp_path).read_text() == lines[0]
