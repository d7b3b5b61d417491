"""What each answer of the service leads to; pauses, breaker and the limits of an answer."""

import http.server
import random
import threading

import pytest
from simulated import SimulatedClock

from qstore_tf.errors import AuthenticationError, RefusedError, ServiceError, UnreachableError
from qstore_tf.ionq.service import Server, network
from qstore_tf.ionq.service.client import Client, NotAccepted, NotThere, Unclear
from qstore_tf.ionq.service.clock import Over, Patience
from qstore_tf.ionq.service.counting import Counts
from qstore_tf.ionq.service.network import Answer, Broken, Http, NotSent
from qstore_tf.ionq.service.retrying import CircuitBreaker, Retries, retry_after
from qstore_tf.ionq.service.versions import Options, body

SERVER = Server("http://simulated", "k")
BODY = body("v0.4", Options(), "t", '{"circuit":[]}', 1, 1)
GOOD = Answer(201, b'{"id":"7","status":"submitted"}')


class Wire:
    """Gives answers one after the other, the last one again and again."""

    def __init__(self, *answers):
        self.answers, self.sent = list(answers), []

    def send(self, method, path, params=None, body=None):
        self.sent.append((method, path, dict(params or {})))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self):
        pass


def client(*answers, server=SERVER, **options):
    clock = SimulatedClock()
    made = Client(server, clock, counts=Counts(), wire=Wire(*answers), **options)
    return made, Patience(clock, 10_000)


@pytest.mark.parametrize(
    ("answer", "of_post", "of_get"),
    [
        (NotSent("refused"), NotAccepted, "again"),
        (Broken("reset"), Unclear, "again"),
        (Answer(429, b""), NotAccepted, "again"),
        (Answer(500, b"{}"), Unclear, "again"),
        (Answer(502, b"<html>"), Unclear, "again"),
        (Answer(524, b""), Unclear, "again"),
        (Answer(408, b""), Unclear, "again"),
        (Answer(409, b""), RefusedError, "again"),
        (Answer(201, b'{"id": 7}'), Unclear, "again"),
        (Answer(200, b"not json"), Unclear, "again"),
        (Answer(200, b"[" * 100_000), Unclear, "again"),
        (Answer(303, b""), Unclear, RefusedError),
        (Answer(307, b"", {"location": "https://elsewhere"}), RefusedError, RefusedError),
        (Answer(400, b'{"message":"no"}'), RefusedError, RefusedError),
        (Answer(401, b""), AuthenticationError, AuthenticationError),
        (Answer(403, b""), AuthenticationError, AuthenticationError),
        (Answer(404, b""), NotThere, NotThere),
        (Answer(413, b"too large"), RefusedError, RefusedError),
    ],
)
def test_the_table_of_answers(answer, of_post, of_get):
    made, patience = client(answer)
    with pytest.raises(ServiceError) as caught:
        made.submit(BODY, patience)
    assert type(caught.value) is of_post and len(made._wire.sent) == 1  # never twice
    if isinstance(answer, Answer):
        assert caught.value.status == answer.status
    job = Answer(200, b'{"id":"7","status":"started"}')
    made, patience = client(answer, answer, job)
    if of_get == "again":
        assert made.job("7", patience).state == "running" and len(made._wire.sent) == 3
        made, patience = client(answer)
        with pytest.raises(UnreachableError):  # but not for ever
            made.job("7", patience)
        assert 5 < len(made._wire.sent) < 100
    else:
        with pytest.raises(of_get):
            made.job("7", patience)
        assert len(made._wire.sent) == 1


def test_the_service_s_words_are_in_the_error():
    made, patience = client(Answer(400, b'{"error":"Bad","message":"shots are too many"}'))
    with pytest.raises(RefusedError, match="shots are too many") as caught:
        made.submit(BODY, patience)
    assert caught.value.text == "shots are too many"


def test_pauses_grow_and_have_an_end():
    rng, retries = random.Random(1), Retries(first_s=1.0, most_s=60.0)
    pauses = [retries.pause(n, None, rng) for n in range(1, 30)]
    assert all(2 ** (n - 1) / 2 <= pause <= 2 ** (n - 1) for n, pause in enumerate(pauses[:6], 1))
    assert all(30 <= pause <= 60 for pause in pauses[7:])
    assert retries.pause(10**6, None, rng) <= 60


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0), ("17", 17), (" 3 ", 3), ("9" * 90, 10**9), ("9" * 101, None),
        ("Thu, 01 Jan 1970 00:20:00 GMT", 200), ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("-1", None), ("1.5", None), ("soon", None), ("", None), (None, None),
        ("Thu, 99 Jan 1970 00:20:00 GMT", None), ("٣", None),
    ],
)  # fmt: skip
def test_retry_after(header, seconds):
    assert retry_after(header, 1000.0) == seconds


def test_retry_after_is_waited_for_and_capped():
    job = Answer(200, b'{"id":"7","status":"started"}')
    for asked, least, most in (("20", 20, 25), ("100000", 60, 61)):
        made, patience = client(Answer(429, b"", {"retry-after": asked}), job)
        begin = made.clock.now
        made.job("7", patience)
        assert least <= made.clock.now - begin <= most
    made, patience = client(Answer(429, b"", {"retry-after": "20"}))
    with pytest.raises(NotAccepted) as caught:
        made.submit(BODY, patience)
    assert caught.value.pause_s == 20


def test_a_service_that_is_down_is_asked_by_one_call_at_a_time():
    clock = SimulatedClock()
    breaker = CircuitBreaker(clock, failures=3, first_s=2.0, most_s=8.0)
    for _ in range(3):
        assert breaker.admit() == 0.0
        breaker.failed()
    assert breaker.is_open and breaker.admit() == 2.0
    clock.now += 2.0
    assert breaker.admit() == 0.0  # this one asks
    assert breaker.admit() > 0  # and the others wait
    breaker.failed()
    assert breaker.admit() == 4.0
    for _ in range(5):
        breaker.failed()
    assert breaker.admit() == 8.0
    clock.now += 8.0
    assert breaker.admit() == 0.0
    breaker.succeeded()
    assert [breaker.admit() for _ in range(3)] == [0.0, 0.0, 0.0]


def test_waiting_ends_with_the_patience():
    made, _ = client(Answer(500, b""))
    with pytest.raises(Over):
        made.job("7", Patience(made.clock, 5.0))
    stop = threading.Event()
    stop.set()
    with pytest.raises(Over):
        made.submit(BODY, Patience(made.clock, None, stop))
    assert len(made._wire.sent) < 10


def test_listing_goes_through_all_pages_and_never_in_circles():
    one, two = (b'{"jobs":[{"id":"%d","status":"ready"},{"odd":1}],"next":"n"}' % k for k in (1, 2))
    made, patience = client(Answer(200, one), Answer(200, two))
    found = made.listing("simulator", "s", patience)
    assert [next(found).id, next(found).id] == ["1", "2"]
    with pytest.raises(ServiceError, match="no end"):  # and not: there is nothing more
        next(found)
    assert made._wire.sent[1] == (
        "GET", "/jobs", {"target": "simulator", "limit": "100", "session_id": "s", "next": "n"}
    )  # fmt: skip


def test_ids_of_the_service_do_not_lead_elsewhere():
    made, patience = client(Answer(200, b'{"id":"7","status":"started"}'))
    made.job("../../whoami?x=/", patience)
    assert made._wire.sent[0][1] == "/jobs/..%2F..%2Fwhoami%3Fx%3D%2F"


def test_results_that_are_listed_by_format_alone_are_found():
    entry = b'{"results":{"ionq.result.probabilities.json.v1":{"id":"a/1"}}}'
    made, patience = client(Answer(404, b""), Answer(200, entry), Answer(200, b'{"0":1.0}'))
    from qstore_tf.ionq.service.jobs import Job

    assert made.results(Job("7", "completed"), False, None, patience) == {"0": 1.0}
    assert made._wire.sent[-1][1] == "/jobs/7/artifacts/a%2F1"


class Handler(http.server.BaseHTTPRequestHandler):
    """Redirects, floods and drips."""

    seen: list = []

    def do_GET(self):
        self.seen.append((self.path, self.headers.get("Authorization")))
        if self.path.endswith("/redirect"):
            self.send_response(307)
            self.send_header("Location", f"http://localhost:{self.server.server_port}/v0.4/other")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(100):
                self.wfile.write(b"x" * 1000)
        except OSError:
            pass

    def log_message(self, *args):
        pass


@pytest.fixture
def place():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    Handler.seen.clear()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_redirects_are_not_followed_and_answers_are_bounded(place, monkeypatch):
    wire = Http(Server(place, "k"))
    assert wire.send("GET", "/redirect").status == 307
    assert Handler.seen == [("/v0.4/redirect", "apiKey k")]
    assert len(wire.send("GET", "/flood").content) == 100_000
    monkeypatch.setattr(network, "MOST_BYTES", 50_000)
    with pytest.raises(Broken, match="longer than 50000 bytes"):
        wire.send("GET", "/flood")
    monkeypatch.undo()
    wire.close()
    with pytest.raises(NotSent):
        Http(Server("http://127.0.0.1:1", "k")).send("GET", "/x")
    slow = Http(Server(place, "k"), total_s=-1.0)
    with pytest.raises(Broken, match="not complete"):
        slow.send("GET", "/flood")
