"""A lane for each request at once, the warmest first, and none kept for long."""

import threading

import httpx

from immune_nb.auth.lanes import IDLE_SECONDS, Lanes


class Time:
    now = 0.0

    def __call__(self):
        return self.now


class Lane(httpx.BaseTransport):
    """One that knows whether it is closed."""

    is_closed = False

    def close(self):
        self.is_closed = True


def test_one_lane_serves_one_request_after_another():
    """A connection is used again; two at once need two, and the one used last comes first."""
    lanes = Lanes(Lane)
    with lanes.one() as first:
        pass
    with lanes.one() as again, lanes.one() as second:
        assert again is first
        assert second is not first
    with lanes.one() as warmest:
        assert warmest is first


def test_a_lane_that_is_not_needed_any_more_is_closed():
    """One a request, the one idle longest; the warm one stays open."""
    clock = Time()
    lanes = Lanes(Lane, clock=clock)
    with lanes.one() as first, lanes.one() as second:
        pass
    clock.now = IDLE_SECONDS + 1
    with lanes.one() as warm:
        assert warm is first
    assert (first.is_closed, second.is_closed) == (False, True)


def test_closing_closes_them_all_also_those_in_use():
    """Nothing stays open; a lane that is in use at that moment is closed too."""
    lanes = Lanes(Lane)
    with lanes.one() as idle:
        pass
    with lanes.one() as used, lanes.one() as other:
        lanes.close()
        assert (used.is_closed, other.is_closed, idle.is_closed) == (True, True, True)


def test_no_two_threads_share_a_lane():
    """Thirty threads in a hurry: a lane that somebody holds is given to nobody else."""
    lanes, held, shared, lock = Lanes(Lane), set(), [], threading.Lock()

    def work():
        for _ in range(50):
            with lanes.one() as lane:
                with lock:
                    shared.append(lane in held)
                    held.add(lane)
                with lock:
                    held.discard(lane)

    threads = [threading.Thread(target=work) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(shared), any(shared)) == (1500, False)
