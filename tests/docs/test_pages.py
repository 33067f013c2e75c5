"""The Python on README.md and docs/*.md runs, top to bottom, as printed."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    """(first line, code) of each Python block."""
    text = page.read_text()
    return [(text[: m.start(1)].count("\n") + 1, m[1]) for m in _BLOCK.finditer(text)]


PAGES_WITH_CODE = [page for page in PAGES if blocks(page)]


@pytest.mark.parametrize("page", PAGES_WITH_CODE, ids=lambda page: page.name)
def test_the_examples_run(page, tmp_path, monkeypatch):
    """In a folder of their own; small synthetic digits stand in for MNIST."""
    pytest.importorskip("matplotlib")
    from cnnfast.datasets import digits, mnist

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mnist, "load_data", lambda path=None: digits.load_data(1000, 200))
    names = {"__name__": page.stem}
    for line, code in blocks(page):
        source = "\n" * (line - 1) + code  # tracebacks show the page's line numbers
        exec(compile(source, str(page), "exec"), names)


def test_links_lead_somewhere():
    for page in [*PAGES, ROOT / "HACKING.md"]:
        fences = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
        prose = fences.sub("", page.read_text())
        for target in re.findall(r"\]\(([^)#:]+)\)", prose):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_hacking_names_files_that_exist():
    text = (ROOT / "HACKING.md").read_text()
    example = {"cpp/reference/softsign.h", "cpp/ops/softsign.cpp", "cpp/kernels/softsign.h"}
    for name in re.findall(r"`((?:cpp|python|tests|benchmarks|docs)/[\w./{},]+)`", text):
        if name in example or "{" in name:
            continue
        assert (ROOT / name).exists(), f"HACKING.md names {name}"
