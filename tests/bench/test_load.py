import pytest

from headrace.bench.load import Load, Paced, read_h2load, read_log, read_wrk
from headrace.errors import OperationError

WRK_REPORT = """\
Running 2s test @ http://127.0.0.1:8080/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.79ms  512.10us  14.53ms   89.12%
    Req/Sec    35.76k     2.31k   39.44k    75.00%
  71204 requests in 2.00s, 11.95MB read
Requests/sec:  35590.21
Transfer/sec:      5.97MB
"""
H2LOAD_REPORT = """\
TLS Protocol: TLSv1.3
Cipher: TLS_AES_128_GCM_SHA256
finished in 2.00s, 31377.50 req/s, 1.83MB/s
requests: 62883 total, 63011 started, 62883 done, 62755 succeeded, 128 failed, 2 errored, 1 timeout
status codes: 62750 2xx, 5 3xx, 0 4xx, 126 5xx
"""


def test_reads_requests_from_wrk():
    assert read_wrk(WRK_REPORT) == Load(71204, 0)


def test_counts_socket_errors_and_other_statuses_of_wrk():
    trouble = "  Socket errors: connect 1, read 20, write 300, timeout 4000\n  Non-2xx or 3xx responses: 50000\n"
    assert read_wrk(WRK_REPORT + trouble).errors == 54321


def test_reads_requests_and_errors_from_h2load():
    assert read_h2load(H2LOAD_REPORT) == Load(62755, 128 + 2 + 5)


def test_a_report_without_figures_is_an_error_that_shows_it():
    with pytest.raises(OperationError, match="unable to connect"):
        read_wrk("unable to connect to 127.0.0.1:1 Connection refused")


def test_the_log_of_h2load_gives_starts_and_durations():
    requests = read_log("1700000000000001\t200\t310\n1700000000000002\t200\t95\n")
    assert requests == ((1700000000000001, 310), (1700000000000002, 95))
    assert Paced(requests, 0).durations == [95, 310]


@pytest.mark.parametrize(("percent", "duration"), [(0, 1), (50, 51), (99, 100), (100, 100)])
def test_percentiles_are_by_nearest_rank(percent, duration):
    assert Paced(tuple((0, each) for each in range(100, 0, -1)), 0).percentile(percent) == duration
