from headrace.app.backoff import Backoff


def test_it_doubles_to_ten_seconds():
    backoff = Backoff()
    assert [backoff.after(lived=0.0) for _ in range(9)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


def test_a_healthy_worker_begins_anew():
    backoff = Backoff()
    for _ in range(5):
        backoff.after(lived=1.0)
    assert backoff.after(lived=30.0) == 0.1
    assert backoff.after(lived=0.0) == 0.2
