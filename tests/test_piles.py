"""A pile is worked off by one while it is low, and nothing on it is forgotten."""

import threading

from immune_nb.fetch.piles import Pile


def test_only_the_first_to_add_is_to_see_to_it():
    """Until the pile is done; then the next one is."""
    pile = Pile(len, most=100)
    assert [pile.add("a"), pile.add("b")] == [True, False]
    assert pile.take() == ["a", "b"]
    assert pile.is_done()
    assert pile.add("c")


def test_what_came_meanwhile_is_not_done():
    """Something added while others are worked off keeps the worker on."""
    pile = Pile(len, most=100)
    pile.add("a")
    pile.take()
    assert pile.add("b") is False
    assert not pile.is_done()
    assert pile.take() == ["b"]
    assert pile.is_done()


def test_not_more_is_taken_than_fits():
    """By size, in order; one thing is taken however large it is."""
    pile = Pile(len, most=4)
    for thing in ("abc", "de", "f", "ghijklmnop"):
        pile.add(thing)
    assert [pile.take(), pile.take(), pile.take()] == [["abc", "de"], ["f", "ghijklmnop"], []]


def test_a_high_pile_calls_for_help():
    """Beyond twice what is taken at once, whoever adds is to work off, too; and no more once it is low again."""
    pile = Pile(len, most=2)
    assert [pile.add(thing) for thing in ("a", "bc", "d", "e", "f")] == [True, False, False, True, True]
    pile.take()
    pile.take()
    assert pile.add("g") is False


def test_many_threads_lose_nothing():
    """Whoever is to see to the pile does so until it is done; in the end all was taken once."""
    pile, taken = Pile(lambda item: 1, most=3), []

    def work(start):
        for item in range(start, start + 200):
            if pile.add(item):
                taken.extend(pile.take())
                while not pile.is_done():
                    taken.extend(pile.take())

    threads = [threading.Thread(target=work, args=[n * 200]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(1600))
