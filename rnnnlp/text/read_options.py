"""How files are read: the options that all commands share which read data."""

from dataclasses import dataclass, field, fields
from typing import Any, Self

from rnnnlp.config import Check, Config, one_of, setting

QUOTINGS = ("auto", "csv", "none")
BYTES = "bytes"  # in place of an encoding: any bytes; those that are not UTF-8 become the surrogates of PEP 383


def _is_encoding(name: str) -> bool:
    try:
        return name == BYTES or "x".encode(name).decode(name) == "x"
    except (LookupError, UnicodeError, TypeError, ValueError):
        return False


def _encoding() -> Check:
    return Check(_is_encoding, lambda: "an encoding that Python knows, such as utf-8, cp1252, gb18030 or utf-16")


@dataclass(frozen=True)
class ReadOptions(Config):
    """How files are read. None leaves the choice to what a file holds."""

    text_column: str | None = setting("column with the texts (default: a usual name such as text or review)", None)
    label_column: str | None = setting("column with the labels (default: a usual name such as label or class)", None)
    encoding: str | None = setting(
        "encoding of text, csv, tsv and json files, such as cp1252, gb18030, cp950 (Big5) or utf-16 (default: "
        "UTF-8, or what the byte order mark at the start of a file says)",
        None,
        check=_encoding(),
    )
    quoting: str = setting(
        "quotation marks in csv and tsv files: csv (they enclose fields), none (they are ordinary characters) or "
        "auto (none for a tsv file in which that gives every line the same number of fields)",
        "auto",
        check=one_of(QUOTINGS),
    )

    @classmethod
    def of(cls, options: object) -> Self:
        """Those of `options`, an object that has some of these fields; None there leaves the default."""
        return cls(**cls.given(options))

    @classmethod
    def given(cls, options: object) -> dict[str, Any]:
        """The names and values of these fields that are not None in `options`."""
        values = {f.name: getattr(options, f.name, None) for f in fields(cls)}
        return {name: value for name, value in values.items() if value is not None}

    def for_tokenizer(self, kind: str | None) -> Self:
        """The same for a model of characters with a tokenizer: with a byte tokenizer, text may have any bytes."""
        return self.changed(encoding=BYTES) if kind == "byte" and self.encoding is None else self


def read_option(name: str) -> Any:
    """The field `name` of `ReadOptions`, for a configuration that has it among its own."""
    shared = ReadOptions.__dataclass_fields__[name]
    return field(default=shared.default, metadata=shared.metadata)
