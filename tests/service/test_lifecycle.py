import gc

from headrace.service.lifecycle import keep_all


def test_what_a_service_was_made_of_is_not_looked_at_again():
    made = [[] for _ in range(1000)]
    try:
        keep_all()
        assert gc.get_freeze_count() >= len(made)
        assert not any(each is made for each in gc.get_objects())
    finally:
        gc.unfreeze()
