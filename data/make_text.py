"""Make data/text.txt: some 150,000 characters of English prose, out of the language reference that comes with Python.

    python data/make_text.py            writes text.txt beside this file, with CPython 3.11.7: other releases differ

Chapters of 1,500 to 20,000 characters, in an order drawn once, so that training, validation and test are alike. A
paragraph that stands in several chapters is kept where it comes first. The text is the Python Software Foundation's
(PSF License Agreement, see README.md beside this file).
"""

from __future__ import annotations

import random
import unicodedata
from pathlib import Path
from pydoc_data.topics import topics

SEED = 0
SHORTEST, LONGEST = 1_500, 20_000


def chapters() -> list[str]:
    """Chapters in their drawn order, without paragraphs that came before."""
    names = sorted(name for name, text in topics.items() if SHORTEST < len(text) < LONGEST)
    random.Random(SEED).shuffle(names)
    seen: set[str] = set()
    kept = []
    for name in names:
        paragraphs = [part for part in topics[name].strip("\n").split("\n\n") if " ".join(part.split()) not in seen]
        seen.update(" ".join(part.split()) for part in paragraphs)
        kept.append("\n\n".join(paragraphs))
    return kept


def make_text() -> str:
    """One text of plain characters."""
    text = "\n\n\n".join(chapters()) + "\n"
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")


if __name__ == "__main__":
    (Path(__file__).parent / "text.txt").write_text(make_text(), encoding="ascii", newline="\n")
