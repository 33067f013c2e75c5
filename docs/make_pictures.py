"""Makes docs/images anew: runs the code of the pages and keeps the pictures that they save.

    python docs/make_pictures.py                    # all pages
    python docs/make_pictures.py pooling.md         # these

A page `pooling.md` saves `pooling-*.png` and `.gif`; other files that its code writes are thrown away.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parent
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def make(page: Path) -> list[str]:
    """Runs the page in a folder of its own; the names of the pictures it made."""
    text = page.read_text()
    names = {"__name__": page.stem}
    back = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for block in _BLOCK.finditer(text):
                source = "\n" * text[: block.start(1)].count("\n") + block[1]
                exec(compile(source, str(page), "exec"), names)
        finally:
            os.chdir(back)
        made = sorted(
            path for path in Path(folder).glob(f"{page.stem}-*") if path.suffix in (".png", ".gif")
        )
        (DOCS / "images").mkdir(exist_ok=True)
        for picture in made:
            shutil.copy(picture, DOCS / "images" / picture.name)
        return [picture.name for picture in made]


def main() -> None:
    pages = [DOCS / name for name in sys.argv[1:]] or sorted(DOCS.glob("*.md"))
    for page in pages:
        for name in make(page):
            size = (DOCS / "images" / name).stat().st_size
            print(f"{page.name}: {name}, {size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
