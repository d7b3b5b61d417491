"""Clocks that the speed of the machine has no part in."""

import json
import threading
import time

from qstore_tf.ionq.service.clock import Clock
from qstore_tf.ionq.service.network import Http


class Still:
    """The time of a service: it stands still until it is moved."""

    def __init__(self):
        self.now = time.time()

    def time(self):
        return self.now


class Turns(Clock):
    """A clock that moves to the next moment at which somebody wakes up, once all senders wait."""

    def __init__(self):
        self.now, self.senders, self.jobs = 1.7e9, 0, 0
        self._changed, self._waiting = threading.Condition(), {}
        self._fetchers = set()

    def begin(self, senders, jobs):
        """So many jobs are going to be sent, by so many threads."""
        self.senders, self.jobs = senders, jobs
        self._fetchers.clear()  # names of threads are used again

    def time(self):
        return self.now

    monotonic = time

    def wait(self, seconds, event):
        me = threading.get_ident()
        if me in self._fetchers:
            return event.wait(0.005)
        with self._changed:
            end = self.now + max(0.0, seconds)
            if threading.current_thread() is threading.main_thread():
                self.now = end  # it waits where nobody else does
            self._waiting[me] = end
            while self.now < end and not event.is_set():
                if len(self._waiting) >= min(self.senders, self.jobs):
                    self.now = max(self.now, min(self._waiting.values()))
                    self._changed.notify_all()
                if self.now < end:
                    self._changed.wait(0.01)
            del self._waiting[me]
            return event.is_set()

    def sent(self, server, latency_s):
        """Returns requests that take a time of this clock; those for results take none."""
        clock, nobody = self, threading.Event()

        class Slow(Http):
            def send(self, method, path, params=None, body=None):
                if "/results" in path:
                    clock._fetchers.add(threading.get_ident())
                    return super().send(method, path, params, body)
                clock.wait(latency_s, nobody)
                answer = super().send(method, path, params, body)
                if method == "GET" and path.startswith("/jobs/"):
                    done = json.loads(answer.content)["status"] == "completed"
                    with clock._changed:
                        clock.jobs -= done
                return answer

        return Slow(server)


def until(happened, seconds=60.0):
    """Waits until something has happened, however long the machine takes for it."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)
