"""Receive windows are shared by the connections of a process."""

from __future__ import annotations

from isocenter.ul.windows import WINDOW_SIZES, ReceiveWindow, WindowPool


def test_window_has_the_smallest_size_that_suffices() -> None:
    pool = WindowPool()
    for size in WINDOW_SIZES:
        assert len(pool.take(size)) == size
        assert len(pool.take(size - 1)) == size
    assert len(pool.take(WINDOW_SIZES[-1] + 1)) == WINDOW_SIZES[-1] + 1


def test_window_given_back_is_used_again() -> None:
    pool = WindowPool()
    window = pool.take(1)
    pool.give_back(window)
    assert pool.take(1) is window
    assert pool.take(1) is not window


def test_pool_keeps_only_so_many_spares_of_each_size() -> None:
    pool = WindowPool(spare=2)
    windows = [pool.take(1) for _ in range(5)]
    for window in windows:
        pool.give_back(window)
    assert [pool.take(1) for _ in range(2)] == [windows[1], windows[0]]
    assert all(pool.take(1) is not window for window in windows[2:])


def test_window_of_an_odd_size_is_left_to_the_allocator() -> None:
    pool = WindowPool()
    odd = pool.take(WINDOW_SIZES[-1] + 6)
    pool.give_back(odd)
    assert pool.take(WINDOW_SIZES[-1] + 6) is not odd


def test_bytes_not_yet_parsed_move_to_the_front_and_into_a_larger_window() -> None:
    window = ReceiveWindow(WindowPool())
    window.space()[:4] = b"abcd"
    window.filled(4)
    window.start = 2
    assert len(window.space()) == WINDOW_SIZES[0] - 2
    assert bytes(window.view[window.start : window.end]) == b"cd"
    window.expect(WINDOW_SIZES[0])
    assert len(window.space()) == WINDOW_SIZES[1] - 2
    assert bytes(window.view[window.start : window.end]) == b"cd"


def test_window_is_given_back_only_while_it_is_empty() -> None:
    pool = WindowPool()
    window = ReceiveWindow(pool)
    view = window.space()
    view[:1] = b"a"
    view.release()
    window.filled(1)
    window.release()
    assert len(window.view) == WINDOW_SIZES[0]
    window.start = 1
    assert window.is_held_in_vain
    window.release()
    assert len(window.view) == 0
