import threading

import pytest

from banso.alongside import alongside


def test_everything_is_done_in_order_in_another_thread():
    done, threads = [], set()

    def work(item):
        threads.add(threading.get_ident())
        done.append(item)

    with alongside(work) as hand_over:
        for item in range(100):
            hand_over(item)
    assert done == list(range(100))
    assert threads.isdisjoint({threading.get_ident()})
    assert len(threads) == 1


def test_no_more_than_one_is_under_way():
    free, begun = threading.Event(), []

    def work(item):
        begun.append(item)
        assert free.wait(10)

    with alongside(work) as hand_over:
        hand_over(0)
        second = threading.Thread(target=hand_over, args=(1,))
        second.start()
        second.join(0.1)
        assert second.is_alive()
        assert begun == [0]
        free.set()
        second.join(10)
    assert begun == [0, 1]


@pytest.mark.parametrize("items", [[0], [0, 1]])
def test_what_goes_wrong_is_not_lost(items):
    def work(item):
        raise OSError("disk full")

    def run():
        with alongside(work) as hand_over:
            for item in items:
                hand_over(item)

    with pytest.raises(OSError, match="disk full"):
        run()


def test_an_error_of_the_caller_s_is_the_one_that_is_told():
    done = []

    def run():
        with alongside(done.append) as hand_over:
            hand_over(0)
            raise KeyError

    with pytest.raises(KeyError):
        run()
    assert done == [0]
