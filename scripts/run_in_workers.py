"""Runs docs/howto/spark-dask-datasets.md in a temporary folder, and prints what comes out.

pip install pyspark "dask[dataframe]"        # and Java 17
python scripts/run_in_workers.py [--only spark|dask|datasets]
"""

import argparse
import os
import pickle  # nosec B403: measures a size; nothing is read
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "howto" / "spark-dask-datasets.md"
KINDS = {"Spark": "spark", "Dask": "dask", "`datasets`": "datasets"}  # of the first word of a heading


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=sorted(KINDS.values()), help="run this part alone")
    only = parser.parse_args(words).only
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    page = vars(sys.modules["__main__"])  # so that workers get the functions of the page by value
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.chdir(folder)
        for heading, block in blocks():
            kind = next((KINDS[word] for word in KINDS if heading.startswith(word)), None)
            if kind is None or only in (None, kind):
                started = time.monotonic()
                exec(block, page)  # nosec B102: a page of this repository
                print(f"{heading}: {time.monotonic() - started:.1f} seconds", flush=True)
        report(page)
        if "spark" in page:
            page["spark"].stop()
    return 0


def blocks() -> Iterator[tuple[str, Any]]:
    """The code of the page, under each heading."""
    text = PAGE.read_text(encoding="utf-8")
    for match in re.finditer(r"^## (.*)\n(?:(?!## |```).*\n)*```py\n((?:(?!```).*\n)*)```$", text, re.MULTILINE):
        before = text.count("\n", 0, match.start(2))
        yield match[1], compile("\n" * before + match[2], str(PAGE), "exec")


def report(page: dict[str, Any]) -> None:
    """Prints what each part answered, how often its processes opened the folder, and the sizes of pickles."""
    expected = Counter(zip(page["texts"], page["labels"], strict=True))
    for name in ("of_udf", "of_map"):
        if name in page:
            print(
                f"{name}: all labels right: {Counter(zip(page[name].text, page[name].label, strict=True)) == expected}"
            )
            print(page[name].drop_duplicates("text").to_string(index=False))
    if "of_dask" in page:
        print(f"of_dask: all labels right: {page['of_dask'].tolist() == page['labels']}")
    if "of_datasets" in page:
        print(f"of_datasets: all labels right: {list(page['of_datasets']['label']) == page['labels']}")
    if "spark" in page:
        openings(page)
    classifier, model = page["SentimentClassifier"], page["MODEL"]
    for options in ({"shared": True}, {}):
        size = len(pickle.dumps(classifier.from_pretrained(model, **options)))
        print(f"pickle with {options or 'the weights'}: {size:,} bytes")


def openings(page: dict[str, Any]) -> None:
    """Prints how many models each Python worker of Spark has opened for how many batches."""
    classifier, model = page["SentimentClassifier"], page["MODEL"]

    def opened(batches: Any) -> Any:
        import os

        import pandas

        for _ in batches:
            weights = id(classifier.from_pretrained(model, shared=True).network_)
            yield pandas.DataFrame({"process": [os.getpid()], "weights": [weights]})

    found = page["reviews"].mapInPandas(opened, "process long, weights long").toPandas()
    number = found.groupby("process").weights.nunique()
    print(f"Spark: {len(found)} batches in {len(number)} processes, models opened in each: {sorted(number)}")


if __name__ == "__main__":
    sys.exit(main())
