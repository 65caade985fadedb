"""Loads data sets of the Hugging Face Hub by name."""

import os
import re
from typing import Any

from rnnnlp.errors import UserError, option
from rnnnlp.text.tables import HubTable

_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(:[\w.-]+)?")


def is_hub_name(spec: str) -> bool:
    """Whether `spec` has the form `owner/name` or `owner/name:configuration`."""
    return _NAME.fullmatch(spec) is not None


def load_from_hub(spec: str) -> dict[str, HubTable]:
    """Loads all splits of a data set. The `datasets` library respects `HF_HOME` and `HF_HUB_OFFLINE`.

    Args:
        spec: `owner/name` or `owner/name:configuration`.

    Returns:
        The splits, by the names that the Hub gives them.

    Raises:
        UserError: If the Hub cannot be reached, or the data set does not load.
    """
    import datasets

    name, _, configuration = spec.partition(":")
    if os.path.exists(name):  # the library would read it in place of the data set of the Hub
        raise UserError(f"{spec}: {name} is also a local path; give the path alone, or run from another folder")
    of_data = (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError)
    try:
        # A name means the newest revision, as in the `datasets` library, which runs no code of data sets since 4.0.
        splits = datasets.load_dataset(name, configuration or None)  # nosec B615
    except (*transport_errors(), *of_data) as error:
        if isinstance(error, of_data) and not isinstance(error, ConnectionError):
            raise UserError(
                f"{spec} is not a local path, and does not load from the Hub ({_first_line(error)}); expected "
                "owner/name or owner/name:configuration of a set in parquet, csv or jsonl"
            ) from error
        raise UserError(
            f"{spec} is not a local path, and the Hub cannot be reached ({_first_line(error)}); for a local copy give "
            f"the folder with its files (train-00000.parquet, test-00000.parquet, ...) as {option('data')}"
        ) from error
    return {split: HubTable(f"{spec} ({split})", dataset) for split, dataset in splits.items()}


def transport_errors() -> tuple[type[Exception], ...]:
    """The errors of the HTTP library that `huggingface_hub` uses, and OSError."""
    from huggingface_hub.errors import HfHubHTTPError

    found: tuple[Any, ...] = HfHubHTTPError.__bases__
    return found


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
