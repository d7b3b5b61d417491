"""Says no to a wheel that would not install or would not be safe where its name says it is.

    python .ci/check_wheels.py dist/*.whl

Needs the package auditwheel. For each wheel: what auditwheel finds that the library needs is no
more than its tag promises; nothing but the library's own two functions is exported, so that its
C++ runtime cannot meet that of TensorFlow; what the library is linked with is glibc and TensorFlow
alone; and on x86-64 the mathematical functions are those of glibc.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

from auditwheel.architecture import Architecture
from auditwheel.libc import Libc
from auditwheel.wheel_abi import analyze_wheel_abi
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

LIBRARY = "qstore_tf/ops/_qstore_ops.so"
FRAMEWORK = "libtensorflow_framework.so.2"
GLIBC = ("libc.so", "libm.so", "libpthread.so", "libdl.so", "librt.so", "ld-linux-")
EXPORTS = {"qstore_build_info", "qstore_simd_level"}


def check(wheel: Path) -> str:
    """One line about a wheel that may be published; an AssertionError otherwise."""
    tag = wheel.stem.split("-", 2)[2]
    platform = tag.removeprefix("py3-none-")
    assert platform.startswith("manylinux_"), f"{wheel.name}: no index takes the tag {platform}"
    machine = platform.split("_", 3)[3]
    found = analyze_wheel_abi(
        Libc.GLIBC,
        Architecture(machine),
        wheel,
        frozenset([FRAMEWORK]),
        disable_isa_ext_check=False,
        allow_graft=False,
    ).overall_policy.name
    # An older glibc than promised is enough.
    assert glibc_of(found) <= glibc_of(platform), f"{wheel.name} is in truth {found}"

    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(LIBRARY)
    elf = ELFFile(io.BytesIO(data))
    dynamic = elf.get_section_by_name(".dynamic")
    assert isinstance(dynamic, DynamicSection)
    needed = [entry.needed for entry in dynamic.iter_tags("DT_NEEDED")]
    strange = [name for name in needed if name != FRAMEWORK and not name.startswith(GLIBC)]
    assert FRAMEWORK in needed, f"{wheel.name}: {LIBRARY} does not name {FRAMEWORK}"
    assert not strange, f"{wheel.name}: {LIBRARY} needs {strange}"

    symbols = [s for s in elf.get_section_by_name(".dynsym").iter_symbols() if s.name]
    imported = {symbol.name for symbol in symbols if symbol["st_shndx"] == "SHN_UNDEF"}
    exported = {symbol.name for symbol in symbols} - imported
    assert exported == EXPORTS, f"{wheel.name}: {LIBRARY} exports {sorted(exported - EXPORTS)}"
    if machine == "x86_64":
        missing = {"sincos", "memcpy"} - imported
        assert not missing, f"{wheel.name}: {LIBRARY} has its own copies of {sorted(missing)}"
    size = wheel.stat().st_size / 1e6
    return f"{wheel.name}: {size:.1f} MB, library {len(data) / 1e6:.1f} MB, needs only {found}"


def glibc_of(platform: str) -> tuple[int, int]:
    """The glibc that a platform tag asks for; of linux_x86_64 and the like, one that no tag has."""
    fields = platform.split("_")
    return (int(fields[1]), int(fields[2])) if fields[0] == "manylinux" else (99, 0)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("name at least one wheel")
    for argument in sys.argv[1:]:
        print(check(Path(argument)))
