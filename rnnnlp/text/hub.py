"""Loads data sets of the Hugging Face Hub by name."""

from __future__ import annotations

import os
import re

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
    try:
        # A name means the newest revision, as in the `datasets` library, which runs no code of data sets since 4.0.
        splits = datasets.load_dataset(name, configuration or None)  # nosec B615
    except ConnectionError as error:
        raise UserError(
            f"{spec} is not a local path, and the Hub cannot be reached ({_first_line(error)}); for a local copy give "
            f"the folder with its files (train-00000.parquet, test-00000.parquet, ...) as {option('data')}"
        ) from error
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise UserError(
            f"{spec} is not a local path, and does not load from the Hub ({_first_line(error)}); expected "
            "owner/name or owner/name:configuration of a set in parquet, csv or jsonl"
        ) from error
    return {split: HubTable(f"{spec} ({split})", dataset) for split, dataset in splits.items()}


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
