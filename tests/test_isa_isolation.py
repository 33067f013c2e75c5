"""Nothing that is compiled for one instruction set may be linked in place of another's.

The linker keeps one copy of an inline function or template that several objects define. A copy
compiled with AVX-512 flags, kept for everybody, is an illegal instruction on an AVX2 machine.
So every symbol that an object of ``cpp/isa`` offers to the linker must carry the name space of its
instruction set. What is checked are the objects of the newest build under ``build/`` (or of
``$CNNFAST_BUILD``); ``$CNNFAST_REQUIRE_OBJECTS`` makes their absence a failure.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ISAS = ("baseline", "avx2", "avx512")
NM = shutil.which("nm")
# Symbol types of nm(1) that the linker can see: upper case, and u (unique), v and w (weak).
_LINE = re.compile(r"^(?:[0-9a-f]+)?\s+([A-Zuvw]) (.+)$")


def offered(listing):
    """Names that the linker may take from an object, out of ``nm -C --defined-only``."""
    matches = (_LINE.match(line) for line in listing.splitlines())
    return {m[2] for m in matches if m and m[1] != "U"}


def leaks(listing, isa):
    """Offered names without the instruction set's name space."""
    return sorted(name for name in offered(listing) if f"cnnfast::{isa}::" not in name)


def shared(listings):
    """Names that objects of two instruction sets offer."""
    names = {isa: offered(listing) for isa, listing in listings.items()}
    return sorted({n for a in names for b in names if a < b for n in names[a] & names[b]})


def nm(paths):
    command = [NM, "-C", "--defined-only", *map(str, paths)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def objects():
    """Objects by instruction set, of the build that is the newest."""
    chosen = os.environ.get("CNNFAST_BUILD")
    builds = [Path(chosen)] if chosen else [p for p in (ROOT / "build").glob("*") if p.is_dir()]
    found = {}
    for build in builds:
        by_isa = {
            isa: sorted((build / "CMakeFiles" / f"cnnfast_{isa}.dir").rglob("*.o")) for isa in ISAS
        }
        by_isa = {isa: paths for isa, paths in by_isa.items() if paths}
        if by_isa:
            newest = max(p.stat().st_mtime for paths in by_isa.values() for p in paths)
            found[newest] = by_isa
    return found[max(found)] if found else {}


def test_objects_of_an_instruction_set_offer_only_their_own():
    by_isa = objects()
    if not by_isa or NM is None:
        reason = "no objects under build/" if NM else "no nm on this machine"
        if os.environ.get("CNNFAST_REQUIRE_OBJECTS"):
            pytest.fail(reason)
        pytest.skip(f"{reason}: build first (make test does), or set CNNFAST_BUILD")
    listings = {isa: nm(paths) for isa, paths in by_isa.items()}
    for isa, listing in listings.items():
        assert offered(listing), f"nm shows nothing in the objects of {isa}: is this a build?"
        assert not leaks(listing, isa)
    assert not shared(listings)


def test_every_source_was_looked_at():
    by_isa = objects()
    if not by_isa:
        pytest.skip("no objects under build/")
    for isa, paths in by_isa.items():
        sources = {p.name for p in (ROOT / "cpp" / "isa").glob(f"{isa}_*.cpp")}
        assert {p.name.removesuffix(".o") for p in paths} == sources


@pytest.mark.parametrize(
    "line",
    [
        "0000000000000010 W std::vector<float>::size() const",
        "0000000000000010 W cnnfast::round_up(long, long)",
        "0000000000000010 V typeinfo for cnnfast::Kernel",
        "0000000000000010 u cnnfast::table()::instance",
        "0000000000000010 T cnnfast::avx2::fill(cnnfast::Table&)",
        "                 w cnnfast::hook()",
    ],
)
def test_a_leak_is_found(line):
    fine = "0000000000000000 T cnnfast::avx512::fill(cnnfast::Table&)\n"
    local = "0000000000000000 t cnnfast::helper()\n0000000000000008 r .LC1\n"
    assert leaks(fine + local, "avx512") == []
    assert leaks(fine + local + line, "avx512") == [line[19:].strip()]


def test_a_shared_symbol_is_found():
    listings = {"avx2": "0 W helper()\n0 T cnnfast::avx2::f()\n", "avx512": "0 W helper()\n"}
    assert shared(listings) == ["helper()"]


@pytest.mark.skipif(NM is None or shutil.which("c++") is None, reason="no nm or no c++")
def test_a_compiled_leak_is_found(tmp_path):
    source = tmp_path / "leak.cpp"
    source.write_text(
        "inline int helper(int x) { return x * 3; }\n"
        "template <typename T> struct Box { static T value; };\n"
        "template <typename T> T Box<T>::value{7};\n"
        "namespace cnnfast::avx2 { int use(int x) { int (*f)(int) = &helper; "
        "volatile auto g = f; return g(x) + Box<int>::value; } }\n"
    )
    target = tmp_path / "leak.o"
    subprocess.run(["c++", "-std=c++20", "-O2", "-c", str(source), "-o", str(target)], check=True)
    found = leaks(nm([target]), "avx2")
    assert "helper(int)" in found and any("Box<int>::value" in name for name in found)
