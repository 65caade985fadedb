"""Searches for text that breaks something, guided by the lines of the library that each input reaches.

    python scripts/fuzz_atheris.py -max_total_time=600 [CORPUS] [options of libFuzzer]

It needs `pip install atheris`. The first byte of an input chooses what is done with the rest (see `actions`): a
tokenizer, a reader, the configuration, or a prompt. It stops at an exception other than UserError, a wrong result, and
after 5 seconds or with 1 GB for one input. libFuzzer then writes the input to a file; give the path of that file
instead of CORPUS to repeat the failure.
"""

import logging
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

LIMITS = ["-timeout=5", "-rss_limit_mb=1024"]


def main() -> int:
    try:
        import atheris
    except ImportError:
        print("fuzz_atheris.py needs atheris, which is not installed; pip install atheris", file=sys.stderr)
        return 2
    from fuzzing.cases import set_environment

    set_environment()
    with atheris.instrument_imports(include=["rnnnlp"]):
        from fuzzing import targets

        from rnnnlp.errors import UserError

    def text(content: bytes) -> str:
        """Decodes UTF-8 that may have lone surrogates, or else each byte as a character."""
        with suppress(UnicodeDecodeError):
            return content.decode("utf-8", "surrogatepass")
        return content.decode("latin-1")

    def on_text(target: Callable[[str, str, Path], None], kind: str) -> Callable[[bytes, Path], None]:
        return lambda content, folder: target(kind, text(content), folder)

    def on_file(name: str) -> Callable[[bytes, Path], None]:
        return lambda content, folder: targets.read_file(name, content, folder)

    kinds = ("char", "byte", "word", "bpe")
    actions: list[Callable[[bytes, Path], None]] = [
        *(on_text(targets.tokenize, kind) for kind in kinds),
        *(on_text(targets.prompt, kind) for kind in kinds),
        *(on_file(f"texts.{suffix}") for suffix in ("txt", "csv", "tsv", "jsonl", "parquet")),
        targets.read_options,
        targets.open_tokenizer,
    ]
    logging.getLogger("rnnnlp").addHandler(logging.NullHandler())
    logging.getLogger("rnnnlp").propagate = False

    with tempfile.TemporaryDirectory(prefix="rnnnlp-fuzz-") as name:
        os.environ["RNNNLP_CACHE"] = str(Path(name) / "cache")

        def one_input(content: bytes) -> None:
            if content:
                with suppress(UserError):
                    actions[content[0] % len(actions)](content[1:], Path(name))

        atheris.Setup([sys.argv[0], *LIMITS, *sys.argv[1:]], one_input)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
