"""`qstore db`: what each action does, and that a mistake is one clear line and exit code 2."""

import json
import re
import signal
import subprocess
import time
from contextlib import contextmanager

import httpx
import numpy as np
import pytest

from qstore_tf import cli
from qstore_tf.store.database import QuantumDatabase
from qstore_tf.store.service.client import QuantumDatabaseClient
from qstore_tf.store.service.keys import VARIABLE
from qstore_tf.testing import light

KEY = "a-key-of-the-tests-0123456789"
KEYS = json.dumps([{"key": KEY, "name": "tests"}])
_SERVE = """
package.__version__ = "0"
from qstore_tf.cli import main
sys.exit(main(["db", "serve", *sys.argv[1:]]))
"""


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def db(capsys):
    """Runs `qstore db` in this process, and gives what it printed."""

    def run(*arguments):
        code = cli.main(["db", *map(str, arguments)])
        said = capsys.readouterr()
        assert code == 0, said.err
        return said.out

    return run


@pytest.fixture
def refused(capsys):
    """Runs `qstore db` with a mistake, and gives the one line that it says."""

    def run(*arguments):
        try:
            code = cli.main(["db", *map(str, arguments)])
        except SystemExit as left:  # the parser's own way
            code = left.code
        said = capsys.readouterr()
        assert (code, said.out) == (2, ""), (code, said)
        assert "error: " in said.err and "Traceback" not in said.err
        assert said.err.endswith("\n") and said.err.count("\n") == 1, said.err
        return said.err

    return run


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    path = tmp_path_factory.mktemp("db") / "full.qstore"
    with QuantumDatabase(path) as database:
        database.insert("sea", [1.0, 0.2], [("nature", 0.9), ("war", 0.1)], metadata={"year": 1851})
        database.insert(
            "fleet", [0.8, 0.6], [("nature", 0.2), ("war", 0.8)], metadata={"year": 1950}
        )
        database.insert("senses", contexts=[("nature", 1.0, [0.0, 1.0])])
        database.insert_many(["shell", "bp"], [[1.0] * 3] * 2, namespace="stocks")
        database.create_entangled_group("oil", ["shell", "bp"], namespace="stocks")
        database.insert("old", [1.0, 0.0, 0.0], coherence_time=1e-9, namespace="stocks")
        database.apply_decoherence(namespace="stocks")
    return path


def stats(db, path):
    return {row.pop("namespace"): row for row in json.loads(db("stats", path, "--json"))}


def test_create_makes_a_namespace(db, tmp_path):
    path = tmp_path / "new.qstore"
    assert "'default'" in db("create", path, "--dimension", 3)
    db("create", path, "--namespace", "states", "--dimension", 4, "--metric", "fidelity")
    found = stats(db, path)
    assert (found["default"]["dimension"], found["default"]["metric"]) == (3, "cosine")
    assert (found["states"]["dimension"], found["states"]["metric"]) == (4, "fidelity")
    assert found["states"]["items"] == 0


def test_stats_are_a_table_or_json(db, kept):
    assert stats(db, kept) == {
        "default": {
            "items": 3,
            "archived": 0,
            "dimension": 2,
            "metric": "cosine",
            "contexts": ["nature", "war"],
            "groups": 0,
        },
        "stocks": {
            "items": 2,
            "archived": 1,
            "dimension": 3,
            "metric": "cosine",
            "contexts": [],
            "groups": 1,
        },
    }
    head, first, second = db("stats", kept).splitlines()
    assert head.split()[:3] == ["namespace", "items", "archived"]
    assert first.split()[:2] == ["default", "3"] and "nature, war" in first
    assert second.split()[:3] == ["stocks", "2", "1"]
    assert head.index("items") == first.index("3") == second.index("2")


def ids(text):
    return [match["id"] for match in json.loads(text)]


def test_queries_are_those_of_the_database(db, kept, tmp_path):
    np.save(tmp_path / "q.npy", np.array([1.0, 0.4]))
    q = ("query", kept, "--json")
    by_list = json.loads(db(*q, "--vector", "[1.0, 0.4]"))
    with QuantumDatabase(kept) as database:
        wanted = database.query([1.0, 0.4])
    assert [match["id"] for match in by_list] == wanted.ids
    assert [match["score"] for match in by_list] == wanted.scores.tolist()
    assert by_list[0]["metadata"] == {"year": 1851}
    assert json.loads(db(*q, "--vector", f"@{tmp_path}/q.npy")) == by_list
    assert ids(db(*q, "--id", "fleet", "--top-k", 1)) == ["fleet"]
    assert ids(db(*q, "--vector", "[1.0, 0.4]", "--context", "war")) == ["fleet", "sea"]
    assert ids(db(*q, "--vector", "[1, 0]", "--filter", '{"year": {"$lt": 1900}}')) == ["sea"]
    assert ids(db(*q, "--id", "bp", "--namespace", "stocks")) == ["bp", "shell"]
    by_sense = json.loads(db(*q, "--id", "senses", "--context", "nature"))
    with QuantumDatabase(kept) as database:
        wanted = database.query([0.0, 1.0], "nature")
    assert by_sense[0]["id"] == "senses" and by_sense[0]["fidelity"] == pytest.approx(1)
    assert [(m["id"], m["score"]) for m in by_sense] == [(m.id, m.score) for m in wanted]
    weights = {"nature": 0.5, "war": 0.5}
    mixed = json.loads(db(*q, "--vector", "[1.0, 0.4]", "--context", json.dumps(weights)))
    with QuantumDatabase(kept) as database:
        wanted = database.query([1.0, 0.4], weights)
    assert [(m["id"], m["score"]) for m in mixed] == [(m.id, m.score) for m in wanted]
    table = db("query", kept, "--id", "sea", "--top-k", 1).splitlines()
    assert table[0].split() == ["id", "score", "fidelity", "metadata"]
    assert table[1].split()[0] == "sea" and table[1].endswith('{"year": 1851}')


def test_exports_imports_copies_and_backups_hold_the_same(db, kept, tmp_path):
    told = "6 items, 1 groups in 2 namespaces\n"
    assert db("export", kept, tmp_path / "folder") == told
    assert db("import", tmp_path / "imported.qstore", tmp_path / "folder") == told
    assert db("copy", kept, tmp_path / "copied.qstore") == told
    assert db("backup", kept, tmp_path / "backup.qstore") == f"{tmp_path}/backup.qstore\n"
    wanted = stats(db, kept)
    query = ("--vector", "[1.0, 0.4]", "--json")
    answer = db("query", kept, *query)
    for name in ("imported", "copied", "backup"):
        assert stats(db, tmp_path / f"{name}.qstore") == wanted
        assert db("query", tmp_path / f"{name}.qstore", *query) == answer


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("stats", "none.qstore"), "no such database.*qstore db create"),
        (("query", "none.qstore", "--id", "a"), "no such database"),
        (("export", "none.qstore", "out"), "no such database"),
        (("copy", "none.qstore", "new.qstore"), "no such database"),
        (("backup", "none.qstore", "new.qstore"), "no such database"),
        (("stats", "text.txt"), "text.txt"),
        (("stats", "."), "\\."),
        ((), "ACTION"),
        (("drop", "FULL"), "invalid choice"),
        (("create", "new.qstore"), "--dimension"),
        (("create", "new.qstore", "--dimension", "many"), "invalid int"),
        (("create", "new.qstore", "--dimension", "0"), "0"),
        (("create", "new.qstore", "--dimension", "2", "--metric", "cosin"), "cosine"),
        (("create", "FULL", "--dimension", "2"), "default"),
        (("query", "FULL"), "--id --vector"),
        (("query", "FULL", "--id", "a", "--vector", "[1]"), "not allowed with"),
        (("query", "FULL", "--id", "nobody"), "nobody"),
        (("query", "FULL", "--id", "senses"), "vector for each.*--context with one of nature"),
        (("query", "FULL", "--id", "senses", "--context", "war"), "one of nature.*'war'.*--vector"),
        (("query", "FULL", "--id", "senses", "--context", '{"nature": 1}'), "one of nature"),
        (("query", "FULL", "--id", "sea", "--namespace", "n"), "'n'"),
        (("query", "FULL", "--id", "sea", "--context", "peace"), "peace"),
        (("query", "FULL", "--id", "sea", "--context", '{"war": 1'), "--context is not valid"),
        (("query", "FULL", "--id", "sea", "--context", '{"war": 2}'), "2"),
        (("query", "FULL", "--id", "sea", "--filter", "{"), "--filter is not valid JSON"),
        (("query", "FULL", "--id", "sea", "--filter", '{"a": {"$x": 1}}'), "\\$x"),
        (("query", "FULL", "--id", "sea", "--filter", "[1]"), "filter"),
        (("query", "FULL", "--id", "sea", "--mode", "exact"), "exact"),
        (("query", "FULL", "--id", "sea", "--top-k", "0"), "top_k"),
        (("query", "FULL", "--vector", "[1"), "--vector is not valid JSON"),
        (("query", "FULL", "--vector", '"x"'), "vector"),
        (("query", "FULL", "--vector", "[1, 2, 3]"), "3"),
        (("query", "FULL", "--vector", "[0, 0]"), "zero|0"),
        (("query", "FULL", "--vector", "@none.npy"), "--vector: the file cannot be read"),
        (("query", "FULL", "--vector", "@text.txt"), "--vector: the file cannot be read"),
        (("import", "new.qstore", "nowhere"), "nowhere"),
        (("import", "new.qstore", "."), "manifest"),
        (("export", "FULL", "."), "there already"),
        (("copy", "FULL", "FULL"), "to itself"),
        (("backup", "FULL", "FULL"), "full.qstore"),
        (("serve", "new.qstore", "--port", "x"), "invalid int"),
        (("serve", "new.qstore", "--port", "70000"), "70000"),
        (("serve", "new.qstore", "--host", "0.0.0.0"), "open to everybody.*--keys"),
        (("serve", "new.qstore", "--host", "192.0.2.1", "--keys", "keys.json"), "192.0.2.1"),
        (("serve", "new.qstore", "--keys", "none.json"), "none.json"),
        (("serve", "new.qstore", "--cache", "disk"), "cache of a database"),
        (("serve", "new.qstore", "--keys", "text.txt"), "cannot be read"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(
    refused, kept, tmp_path, monkeypatch, arguments, words
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("no database, no keys and no array\n" * 100)
    (tmp_path / "keys.json").write_text(KEYS)
    before = kept.read_bytes()
    said = refused(*(str(kept) if each == "FULL" else each for each in arguments))
    assert re.search(words, said), said
    assert KEY not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keys.json", "text.txt"]
    assert kept.read_bytes() == before


@contextmanager
def serving(path, *options):
    """A process that serves; gives it and its address."""
    process = subprocess.Popen(
        light.command(_SERVE, path, "--port", 0, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        assert line.startswith("http://"), (line, process.poll(), process.stderr.read())
        yield process, line.split()[0]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def until_ready(url):
    end = time.monotonic() + 20
    while True:
        try:
            return httpx.get(url + "/readyz").raise_for_status().json()
        except httpx.HTTPError:
            assert time.monotonic() < end
            time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_served_database_answers_until_it_is_told_to_stop(tmp_path, number):
    """With keys to every host, without them to this machine alone."""
    path = tmp_path / "served.qstore"
    (tmp_path / "keys.json").write_text(KEYS)
    has_keys = number == signal.SIGTERM
    options = ("--keys", tmp_path / "keys.json", "--host", "0.0.0.0") if has_keys else ()
    with serving(path, *options) as (process, told):
        assert told.startswith("http://0.0.0.0:" if has_keys else "http://127.0.0.1:")
        url = told.replace("0.0.0.0", "127.0.0.1")
        until_ready(url)
        anonymous = httpx.post(url + "/v1/namespaces", json={})
        assert anonymous.status_code == (401 if has_keys else 200)
        with QuantumDatabaseClient(url, KEY) as client:
            client.insert("a", [1.0, 0.0])
            assert client.query([1.0, 0.0]).ids == ["a"]
        process.send_signal(number)
        # Not communicate(), which would miss what readline() has read ahead.
        out, err = process.stdout.read(), process.stderr.read()
        process.wait(20)
    assert (process.returncode, out.splitlines()[-1]) == (0, "stopped"), err
    assert "Traceback" not in err and KEY not in out + err
    assert ("no API keys" in out) != has_keys
    with QuantumDatabase(path) as database:
        assert database.list().ids == ("a",)
