"""What the worker's processes share: a sign, messages and numbers, and never a lock."""

from __future__ import annotations

import os
import signal
import time

import pytest

from ops import stopping
from ops.cluster import Messages, Timer
from ops.stopping import Stop
from tests.faults import processes


def test_outside_of_a_worker_nothing_is_to_stop() -> None:
    assert not stopping.is_stopping()


def test_the_sign_is_seen_in_every_process() -> None:
    stop = Stop()
    assert not stop.is_set()

    def work() -> None:
        stop.listen()
        assert not stopping.is_stopping()
        assert not stop.wait(0.01)
        assert stop.wait(30)
        assert stopping.is_stopping()

    pids = [processes.start(work) for _ in range(3)]
    time.sleep(0.2)
    stop.set()
    stop.set()
    assert [processes.finished(pid) for pid in pids] == [0, 0, 0]


def test_it_is_seen_when_whoever_could_give_it_was_killed() -> None:
    seen, told = os.pipe()

    def work() -> None:
        stop = Stop()

        def child() -> None:
            stop.listen()
            assert stop.wait(30)
            os.write(told, b"x")

        pid = processes.start(child)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGKILL)
        processes.finished(pid)

    assert processes.finished(processes.start(work)) == -signal.SIGKILL
    assert os.read(seen, 1) == b"x"


def test_messages_reach_one_each_and_survive_killed_readers() -> None:
    messages, answers = Messages(), Messages()

    def work() -> None:
        while (number := messages.get()) != "STOP":
            answers.put(number * 2)

    pids = [processes.start(work) for _ in range(4)]
    time.sleep(0.1)
    for pid in pids[:3]:
        processes.kill(pid)
    for number in range(20):
        messages.put(number)
    assert sorted(answers.get() for _ in range(20)) == [number * 2 for number in range(20)]
    assert messages.empty()
    messages.put("STOP")
    assert processes.finished(pids[3]) == 0


def test_few_messages_are_under_way_at_once() -> None:
    """What was taken out of the table and not begun is lost time for other workers."""
    messages = Messages(most_bytes=1)
    seen, told = os.pipe()

    def work() -> None:
        for _ in range(50):
            messages.put("x" * 400)
            os.write(told, b"x")

    pid = processes.start(work)
    time.sleep(0.5)
    assert 1 <= len(os.read(seen, 100)) <= 8
    assert not messages.empty()
    processes.kill(pid)


@pytest.mark.parametrize("number", [-1.0, 0.0, 21600.5])
def test_a_number_is_shared(number: float) -> None:
    timer = Timer()
    assert timer.value == -1

    def work() -> None:
        with timer.get_lock():
            timer.value = number

    assert processes.finished(processes.start(work)) == 0
    assert timer.value == number
