"""What a store of checkpoints promises: the same bits back, or the previous ones; never a part."""

import ctypes
import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qstore_tf.distribute.checkpoints import CheckpointStore
from qstore_tf.distribute.checkpoints import files as checkpoint_files
from qstore_tf.distribute.checkpoints import store as store_module
from qstore_tf.errors import CheckpointError, ConfigurationError

FILES = ("arrays.npz", "state.json", "manifest.json")
# Where waiting for the disk takes no time, if there is such a place.
FAST = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
ARRAYS = {"layer/theta": np.arange(6.0).reshape(2, 3), "count": np.int64(7)}

dtypes = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    hnp.complex_number_dtypes(endianness="?", sizes=(64, 128)),
)
shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
names = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)
numbers = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False))
states = st.dictionaries(st.text(), st.one_of(numbers, st.text(), st.lists(numbers)))


def skipped(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if "Skipping checkpoint" in r.getMessage()]


def leftovers(directory: Path) -> list[str]:
    return [n for n in os.listdir(directory) if n.startswith(".") and n != ".lock"]


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    return (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(names, hnp.arrays(dtypes, shapes), max_size=4), states)
def test_what_is_saved_comes_back_bit_by_bit(arrays, state):
    with tempfile.TemporaryDirectory(dir=FAST) as directory:
        CheckpointStore(directory).save(3, arrays, state)
        found = CheckpointStore(directory).newest()
    assert found.step == 3
    assert found.state == state
    assert found.arrays.keys() == arrays.keys()
    assert all(same_bits(found.arrays[name], np.asarray(arrays[name])) for name in arrays)
    assert all(array.flags.writeable for array in found.arrays.values())


def test_bfloat16_and_odd_layouts_come_back(tmp_path):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    base = np.arange(24.0, dtype=np.float32).reshape(4, 6)
    arrays = {
        "bfloat16": base.astype(ml_dtypes.bfloat16),
        "fortran": np.asfortranarray(base),
        "strided": base[::2, ::-3],
        "../up/../../": base,
        "/etc/passwd": base,
        "x.npy": base,
    }
    store = CheckpointStore(tmp_path / "a" / "b")
    path = store.save(0, arrays, {})
    found = store.load(0).arrays
    assert all(same_bits(found[name], np.asarray(arrays[name])) for name in arrays)
    # The file is also what it says it is.
    with np.load(path / "arrays.npz") as file:
        np.testing.assert_array_equal(file["strided"], arrays["strided"])


def test_files_do_not_depend_on_the_order_of_the_arrays_or_on_the_time(tmp_path):
    one, two = CheckpointStore(tmp_path / "1"), CheckpointStore(tmp_path / "2")
    first = one.save(5, ARRAYS, {"b": 1})
    second = two.save(5, dict(reversed(ARRAYS.items())), {"b": 1})
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in FILES)


def test_an_empty_or_missing_directory_has_no_newest(tmp_path):
    assert CheckpointStore(tmp_path).newest() is None
    assert CheckpointStore(tmp_path / "missing").newest() is None
    assert CheckpointStore(tmp_path / "missing").steps() == []
    with pytest.raises(CheckpointError, match="does not exist.*Received: \\[\\]"):
        CheckpointStore(tmp_path).load(1)


def test_the_last_few_are_kept_and_foreign_names_left_alone(tmp_path):
    store = CheckpointStore(tmp_path, keep=2)
    for name in ("step-12", "notes.txt", "step-0000000000001x", "step-"):
        (tmp_path / name).mkdir()
    for step in (1, 2, 30, 4 * 10**15):
        store.save(step, ARRAYS, {"step": step})
    assert store.steps() == [30, 4 * 10**15]
    assert sorted(os.listdir(tmp_path)) == sorted(
        [".lock", "notes.txt", "step-", "step-0000000000001x", "step-000000000030"]
        + ["step-12", "step-4000000000000000"]
    )


def test_torn_ones_do_not_count_among_those_kept(tmp_path):
    store = CheckpointStore(tmp_path, keep=2)
    for step in (1, 2):
        store.save(step, ARRAYS, {})
    torn = tmp_path / "step-000000000002" / "arrays.npz"
    torn.write_bytes(bytes(torn.stat().st_size))
    store.save(3, ARRAYS, {})
    assert store.steps() == [1, 3]
    store.save(4, ARRAYS, {})
    assert store.steps() == [3, 4]
    assert not torn.exists()


def test_the_one_just_saved_stays_whatever_lies_beside_it(tmp_path, caplog):
    store = CheckpointStore(tmp_path, keep=1)
    store.save(9, ARRAYS, {})
    store.save(5, ARRAYS, {})
    assert store.steps() == [5, 9]
    assert "later steps than 5" in caplog.text


def test_a_step_saved_again_is_replaced(tmp_path):
    store = CheckpointStore(tmp_path)
    store.save(1, ARRAYS, {"try": 1})
    store.save(1, {}, {"try": 2})
    assert store.load(1).state == {"try": 2}
    assert store.load(1).arrays == {}
    assert leftovers(tmp_path) == []


def test_a_writer_that_died_while_it_replaced_a_step_loses_nothing(tmp_path):
    store = CheckpointStore(tmp_path, keep=1)
    path = store.save(1, ARRAYS, {})
    path.rename(tmp_path / ".replaced-step-000000000001")
    (tmp_path / ".tmp-step-000000000001").mkdir()
    assert store.newest().step == 1
    store.save(2, ARRAYS, {})
    assert store.steps() == [2]
    assert leftovers(tmp_path) == []


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(FILES), st.integers(0), st.integers(1, 255), st.booleans())
def test_any_changed_byte_or_lost_end_is_noticed(name, place, change, cut):
    with tempfile.TemporaryDirectory(dir=FAST) as directory:
        store = CheckpointStore(directory)
        store.save(1, ARRAYS, {"epoch": 1})
        file = store.save(2, ARRAYS, {"epoch": 2}) / name
        data = bytearray(file.read_bytes())
        place %= len(data)
        if cut:
            del data[place:]
        else:
            data[place] ^= change
        file.write_bytes(data)
        records: list[logging.LogRecord] = []
        handler = logging.Handler()
        handler.emit = records.append
        logging.getLogger("qstore_tf").addHandler(handler)
        try:
            assert store.newest().state == {"epoch": 1}
        finally:
            logging.getLogger("qstore_tf").removeHandler(handler)
        [record] = records
        assert "step-000000000002': " in record.getMessage()
        assert name in record.getMessage() or "manifest" in record.getMessage()
        with pytest.raises(CheckpointError, match="step 2 cannot be loaded"):
            store.load(2)
        assert store.steps() == [1]


def test_no_byte_of_any_file_can_change_unnoticed():
    with tempfile.TemporaryDirectory(dir=FAST) as directory:
        path = CheckpointStore(directory).save(1, ARRAYS, {"epoch": 1})
        for name in FILES:
            data = bytearray((path / name).read_bytes())
            for place in range(len(data)):
                data[place] ^= 1 << place % 8
                (path / name).write_bytes(data)
                with pytest.raises(CheckpointError):
                    checkpoint_files.read(path, 1, 1000)
                data[place] ^= 1 << place % 8
            (path / name).write_bytes(data)
        assert checkpoint_files.read(path, 1, 1000).state == {"epoch": 1}


def forge(path: Path, **changes: object) -> None:
    """Changes the manifest and signs it anew, as somebody with bad intentions would."""
    manifest = json.loads((path / "manifest.json").read_text())
    del manifest["sha256"]
    for name in ("arrays.npz", "state.json"):
        manifest["files"][name] = checkpoint_files._size_and_digest(path / name)
    manifest.update(changes)
    signed = checkpoint_files._canonical(checkpoint_files._signed(manifest))
    (path / "manifest.json").write_bytes(signed)


def array_entry(**changes: object) -> dict[str, object]:
    return {"arrays": {"a": {"dtype": "<f4", "offset": 0, "shape": [2], **changes}}}


FORGERIES = [
    ({"format": 2}, "format 2, this version reads 1"),
    ({"format": "1" * 5000}, "format"),
    ({"step": 8}, "step 8"),
    ({"arrays": []}, "table of arrays"),
    ({"arrays": {"a": []}}, "usable entry"),
    ({"files": {}}, "usable entry"),
    ({"files": []}, "incomplete"),
    (array_entry(dtype="|O"), "unknown type '|O'"),
    (array_entry(dtype="O"), "unknown type"),
    (array_entry(dtype=["<f4"]), "usable entry"),
    (array_entry(offset=-1), "does not fit"),
    (array_entry(offset=10**30), "does not fit"),
    (array_entry(offset=True), "usable entry"),
    (array_entry(shape=[-1]), "impossible shape"),
    (array_entry(shape=[True]), "impossible shape"),
    (array_entry(shape=[2.0]), "impossible shape"),
    (array_entry(shape=[10**30]), "does not fit"),
    (array_entry(shape=[2**32, 2**32]), "does not fit"),
    (array_entry(shape=[0, 2**62]), "does not fit"),
    (array_entry(shape=[1] * 65), "impossible shape"),
    ({"arrays": {str(n): array_entry(shape=[20])["arrays"]["a"] for n in range(99)}}, "not fit"),
]


@pytest.mark.parametrize(("changes", "why"), FORGERIES, ids=range(len(FORGERIES)))
def test_a_forged_manifest_is_refused_whatever_it_claims(tmp_path, caplog, changes, why):
    store = CheckpointStore(tmp_path)
    store.save(1, {}, {})
    forge(store.save(7, ARRAYS, {}), **changes)
    assert store.newest().step == 1
    [message] = skipped(caplog)
    assert why in message
    assert len(message) < 500


def test_a_well_signed_bomb_is_refused_before_it_is_read(tmp_path, caplog):
    store = CheckpointStore(tmp_path, max_bytes=1 << 20)
    path = store.save(1, ARRAYS, {})
    with open(path / "arrays.npz", "r+b") as file:
        file.truncate(1 << 40)  # a hole: takes no space on the disk
    manifest = json.loads((path / "manifest.json").read_text())
    files = manifest["files"]
    files["arrays.npz"]["size"] = 1 << 40
    body = {k: v for k, v in manifest.items() if k != "sha256"}
    data = checkpoint_files._canonical(checkpoint_files._signed(body))
    (path / "manifest.json").write_bytes(data)
    started = time.perf_counter()
    assert store.newest() is None
    assert time.perf_counter() - started < 2.0
    assert "more than the limit" in skipped(caplog)[0]


@pytest.mark.parametrize("content", [b"[" * 100_000, b"9" * 100_000, b"[]", b"\xff", b"null", b""])
@pytest.mark.parametrize("name", ["manifest.json", "state.json"])
def test_content_that_is_no_json_object_is_refused(tmp_path, caplog, name, content):
    store = CheckpointStore(tmp_path)
    path = store.save(1, ARRAYS, {})
    (path / name).write_bytes(content)
    if name == "state.json":
        forge(path)
    assert store.newest() is None
    assert name in skipped(caplog)[0]


@pytest.mark.parametrize("name", [*FILES, "."])
def test_links_are_not_followed(tmp_path, caplog, name):
    store = CheckpointStore(tmp_path / "store")
    path = store.save(1, ARRAYS, {})
    (path / name).resolve().rename(tmp_path / "elsewhere")
    Path(os.path.normpath(path / name)).symlink_to(tmp_path / "elsewhere")
    assert store.newest() is None
    assert "Skipping" in skipped(caplog)[0]
    store.save(1, ARRAYS, {"again": True})
    assert store.newest().state == {"again": True}
    assert (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("kind", ["pipe", "directory", "file in its place", "nothing"])
def test_other_things_in_the_place_of_files_are_skipped(tmp_path, caplog, kind):
    store = CheckpointStore(tmp_path)
    path = store.save(1, ARRAYS, {})
    (path / "arrays.npz").unlink()
    if kind == "pipe":
        os.mkfifo(path / "arrays.npz")
    elif kind == "directory":
        (path / "arrays.npz").mkdir()
    elif kind == "file in its place":
        shutil.rmtree(path)
        path.write_text("not a directory")
    assert store.newest() is None
    assert len(skipped(caplog)) == 1


@pytest.mark.parametrize(
    ("arrays", "state", "words"),
    [
        ({"a": np.array(["text"])}, {}, "'a' has a type"),
        ({"a": np.array([object()])}, {}, "'a' has a type"),
        ({"a": np.array([1], "datetime64[s]")}, {}, "astype"),
        ({"": np.zeros(1)}, {}, "name"),
        ({"a\0b": np.zeros(1)}, {}, "name"),
        ({"\ud800": np.zeros(1)}, {}, "name"),
        ({"a" * 1001: np.zeros(1)}, {}, "name"),
        ({}, {"a": np.float32(1)}, "float\\(\\)"),
        ({}, {"a": {1, 2}}, "JSON"),
        ({"a": np.zeros(1001, np.int8)}, {}, "max_bytes"),
    ],
)
def test_what_cannot_be_stored_is_refused_and_leaves_no_trace(tmp_path, arrays, state, words):
    store = CheckpointStore(tmp_path, max_bytes=1000)
    store.save(1, {}, {})
    with pytest.raises(CheckpointError, match=words):
        store.save(2, arrays, state)
    assert store.steps() == [1]
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("step", [-1, 1.5, "1", True, 10**18])
def test_an_impossible_step_is_refused(tmp_path, step):
    with pytest.raises(CheckpointError, match="an integer >= 0"):
        CheckpointStore(tmp_path).save(step, {}, {})


@pytest.mark.parametrize("options", [{"keep": 0}, {"keep": 1.5}, {"max_bytes": 0}])
def test_impossible_options_are_refused(tmp_path, options):
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        CheckpointStore(tmp_path, **options)


def test_a_second_writer_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "_LOCK_SECONDS", 0.1)
    store = CheckpointStore(tmp_path)
    store.save(1, {}, {})
    with (
        store_module._locked(tmp_path / ".lock"),
        pytest.raises(CheckpointError, match="Another process"),
    ):
        store.save(2, {}, {})
    store.save(2, {}, {})


@pytest.fixture
def fast_path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=FAST) as directory:
        yield Path(directory)


# The disk itself.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB: a mount of its own where that is permitted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", os.fsencode(disk), b"tmpfs", 0, b"size=256k") != 0:
        pytest.skip("a disk cannot be mounted here; see the next test")
    try:
        yield disk
    finally:
        libc.umount2(os.fsencode(disk), 2)


def test_a_full_disk_leaves_the_previous_checkpoint_whole(small_disk):
    store = CheckpointStore(small_disk)
    store.save(1, ARRAYS, {})
    for size in (300_000, 250_000):  # does not fit by far; does not fit by a little
        with pytest.raises(CheckpointError, match="No space left.*Free space"):
            store.save(2, {"a": np.zeros(size, np.int8)}, {})
        assert leftovers(small_disk) == []
    assert store.newest().step == 1
    store.save(3, {"a": np.zeros(100_000, np.int8)}, {})
    assert CheckpointStore(small_disk).steps() == [1, 3]


def test_a_disk_that_has_become_read_only_refuses_and_is_still_read(small_disk):
    store = CheckpointStore(small_disk)
    store.save(1, ARRAYS, {})
    remount_read_only = 32 | 1
    libc = ctypes.CDLL(None)
    assert libc.mount(b"tmpfs", os.fsencode(small_disk), b"tmpfs", remount_read_only, None) == 0
    with pytest.raises(CheckpointError, match="Read-only file system"):
        store.save(2, ARRAYS, {})
    assert store.newest().step == 1


LIMITED = """
import resource, sys
import numpy as np
from qstore_tf.distribute.checkpoints import CheckpointStore
from qstore_tf.errors import CheckpointError
assert not {"tensorflow", "keras"} & set(sys.modules)
store = CheckpointStore(sys.argv[1])
store.save(1, {"a": np.zeros(100)}, {})
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    store.save(2, {"a": np.zeros(10_000)}, {})
except CheckpointError as error:
    print(error)
"""


def without_tensorflow(code: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    """Starts Python as the `qstore` command, for which the package imports no TensorFlow."""
    start = "import sys; sys.orig_argv = ['-m', 'qstore_tf']\n"
    return subprocess.Popen(
        [sys.executable, "-c", start + code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


def test_a_file_that_may_not_grow_leaves_the_previous_checkpoint_whole(tmp_path):
    with without_tensorflow(LIMITED, tmp_path) as process:
        said, _ = process.communicate(timeout=60)
    assert "step 2 was not saved" in said and "File too large" in said
    assert CheckpointStore(tmp_path).steps() == [1]
    assert leftovers(tmp_path) == []


def test_a_directory_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for directory in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(CheckpointError, match="was not saved.*choose another"):
            CheckpointStore(directory).save(1, {}, {})
    with pytest.raises(CheckpointError, match="cannot be listed"):
        CheckpointStore(tmp_path / "file").newest()


# Other processes and threads.

WRITER = """
import sys
import numpy as np
from qstore_tf.distribute.checkpoints import CheckpointStore
store = CheckpointStore(sys.argv[1], keep=int(sys.argv[2]))
found = store.newest()
step = 0 if found is None else found.step
while True:
    step += 1
    store.save(step // 2, {"a": np.full(20_000, step // 2)}, {"step": step // 2})
    print(step // 2, flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_a_whole_newest_one(fast_path, caplog):
    random.seed(1)
    store = CheckpointStore(fast_path, keep=1)
    least = 0
    for _ in range(5):
        with without_tensorflow(WRITER, fast_path, 1) as process:
            process.stdout.readline()
            time.sleep(random.uniform(0, 0.05))
            process.send_signal(signal.SIGKILL)
            reported = [int(line) for line in process.stdout if line.endswith("\n")]
        least = max([least, *reported])
        found = store.newest()
        assert found.step >= least
        assert found.state == {"step": found.step}
        assert np.all(found.arrays["a"] == found.step)
    assert not skipped(caplog)
    store.save(found.step + 1, {}, {})
    assert leftovers(fast_path) == []
    assert store.steps() == [found.step + 1]


@pytest.mark.parametrize("again", [False, True], ids=["a later step", "the same step again"])
def test_a_listing_that_a_save_overtakes_is_taken_again(again, tmp_path, monkeypatch):
    writer, reader = (CheckpointStore(tmp_path, keep=1) for _ in range(2))
    writer.save(1, {}, {})
    whole, overtakes = os.listdir, random.Random(1)
    overtaken = 0

    def torn(directory: Path) -> list[str]:
        """What was there before a save and still is: the system promises no more."""
        nonlocal overtaken
        names = whole(directory)
        if overtakes.random() < 0.5:
            overtaken += 1
            with monkeypatch.context() as within:
                within.setattr(os, "listdir", whole)
                inodes = {name: os.lstat(directory / name).st_ino for name in names}
                writer.save(writer.steps()[-1] + (not again), {}, {})
                left = whole(directory)
                names = [n for n in left if inodes.get(n) == os.lstat(directory / n).st_ino]
        return names

    last = 1
    with monkeypatch.context() as patched:
        patched.setattr(os, "listdir", torn)
        for _ in range(20):
            last, previous = reader.newest().step, last
            assert last >= previous
            assert reader.load(last).step == last if again else reader.steps()
    assert overtaken > 20


def test_readers_lose_no_race_against_the_writer(fast_path, caplog):
    stop = threading.Event()
    problems: list[str] = []
    reads = [0, 0]

    def reader(index: int) -> None:
        store, last = CheckpointStore(fast_path), 0
        while not stop.is_set():
            found = store.newest()
            if found is None or found.step < last or np.any(found.arrays["a"] != found.step):
                problems.append(f"after {last}: {found}")
                return
            last = found.step
            assert all(type(step) is int for step in store.steps())
            reads[index] += 1

    with without_tensorflow(WRITER, fast_path, 1) as process:
        process.stdout.readline()
        threads = [threading.Thread(target=reader, args=(index,)) for index in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(1.5)
        process.kill()
        writes = len(process.stdout.readlines())
        stop.set()
        for thread in threads:
            thread.join()
    assert not problems
    assert not skipped(caplog)
    assert min(reads) > 10 and writes > 10
