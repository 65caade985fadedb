"""The Hugging Face Hub: names of models there, download, upload, and one line for what can go wrong.

`huggingface_hub` does the work, so `HF_TOKEN`, `HF_HOME`, `HF_HUB_OFFLINE` and `HF_ENDPOINT` mean what they mean there.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

from rnnnlp.errors import UserError, option
from rnnnlp.files import read_json
from rnnnlp.version import __version__

_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_NAME = re.compile(rf"({_PART}/{_PART})(?:@([^@\s]+))?")
LOG_IN = "set HF_TOKEN, or run: hf auth login"


class HubName(NamedTuple):
    """The name of a model on the Hub, `owner/name` or `owner/name@revision`.

    Attributes:
        repo: `owner/name`.
        revision: A branch, a tag or a commit; None for the newest.
    """

    repo: str
    revision: str | None

    @classmethod
    def of(cls, place: str | os.PathLike[str]) -> Self | None:
        """The name that `place` has the form of, or None."""
        match = _NAME.fullmatch(os.fspath(place))
        return cls(match[1], match[2]) if match else None

    def __str__(self) -> str:
        return self.repo if self.revision is None else f"{self.repo}@{self.revision}"


def download(name: HubName, first: str, keys: Sequence[str], patterns: Sequence[str]) -> Path:
    """The folder in the cache with files of a model of the Hub.

    Nothing but the first file of a model of another library is downloaded.

    Args:
        name: Its name.
        first: The JSON file that tells whether the model is of this library.
        keys: What that file has.
        patterns: The names of all files that a model may have.

    Raises:
        UserError: If it is not there, is not a model of this library, or the Hub cannot be reached.
    """
    with said_in_one_line(f"{name} is not a folder here, and", name):
        from huggingface_hub import snapshot_download
        from tqdm import tqdm

        from rnnnlp.training.progress import no_bar

        class Bar(tqdm):  # type: ignore[misc]
            """A progress bar on terminals alone."""

            def __init__(self, *args: Any, **options: Any):
                options.pop("name", None)  # of the Hub's own bars
                super().__init__(*args, **{"disable": no_bar()} | options)

        def copy(revision: str | None, allowed: Sequence[str]) -> Path:
            # A name means its newest revision, as for data sets; what is downloaded is not code.
            return Path(snapshot_download(name.repo, revision=revision, allow_patterns=list(allowed), tqdm_class=Bar))

        folder = copy(name.revision, [first])
        content = read_json(folder / first) if (folder / first).is_file() else None
        if not isinstance(content, dict) or not content.keys() >= set(keys):
            raise UserError(f"{name} of the Hub is not an rnnnlp model; give the name of one")
        return copy(folder.name, patterns)  # of the same commit


def upload(folder: Path, repo: str, patterns: Sequence[str], *, private: bool, message: str | None) -> str:
    """Uploads files of a folder; those of the same names that are gone are removed from the Hub.

    All is one commit, so nobody downloads half of a new version.

    Args:
        folder: The folder.
        repo: The name of the model on the Hub, `owner/name`; it is made if it is not there.
        patterns: The names of the files.
        private: Whether only its owner may see it.
        message: What the commit says.

    Returns:
        The address of the model.

    Raises:
        UserError: If the Hub does not take it.
    """
    with said_in_one_line(f"{repo} cannot be pushed:", HubName(repo, None), pushed=True):
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

        api = HfApi(library_name="rnnnlp", library_version=__version__)
        api.create_repo(repo, private=private or None, exist_ok=True)
        info = api.model_info(repo)
        if private and not info.private:
            raise UserError(
                f"{repo} is on the Hub already, and everybody can see it; make it private on its page, leave out "
                f"{option('private')}, or give another name"
            )
        files = sorted(found for pattern in patterns for found in folder.glob(pattern))
        names = [file.relative_to(folder).as_posix() for file in files]
        own = re.compile("|".join(re.escape(pattern).replace(r"\*", "[^/]+") for pattern in patterns))
        there = {sibling.rfilename for sibling in info.siblings or ()}
        gone = sorted(name for name in there if own.fullmatch(name) and name not in names)
        operations: list[Any] = [CommitOperationDelete(name) for name in gone]
        operations += [CommitOperationAdd(name, str(file)) for name, file in zip(names, files, strict=True)]
        message = message or f"Upload a model with rnnnlp {__version__}"
        api.create_commit(repo, operations, commit_message=message)
        return f"{api.endpoint}/{repo}"


def require_name(repo: str) -> None:
    """UserError unless this is a name that a model of the Hub may have."""
    name = HubName.of(repo)
    if name is None or name.revision is not None:
        raise UserError(f"{repo!r} is not a valid name of a model on the Hub; write it as owner/name")


@contextmanager
def said_in_one_line(begin: str, name: HubName, *, pushed: bool = False) -> Iterator[None]:
    """A context that turns an error of `huggingface_hub` into a `UserError`.

    Args:
        begin: The beginning of the message: what cannot be done.
        name: What was asked for.
        pushed: Whether it is an upload.
    """
    try:
        from huggingface_hub import errors
    except ImportError:
        raise UserError(f"{begin} huggingface_hub is not installed; run: pip install huggingface_hub") from None
    from rnnnlp.text.hub import transport_errors

    known: tuple[type[Exception], ...] = (*transport_errors(), OSError, ValueError, errors.EntryNotFoundError)
    try:
        yield
    except UserError:
        raise
    except known as error:
        raise refusal(begin, name, error, pushed=pushed) from None


def refusal(begin: str, name: HubName, error: BaseException, *, pushed: bool) -> UserError:
    """The one line for an error of `huggingface_hub`: what happened, and what to do."""
    from huggingface_hub import constants, errors

    chain = [error]
    while (cause := chain[-1].__cause__) is not None:
        chain.append(cause)
    kinds = tuple(map(type, chain))

    def is_a(kind: type) -> bool:
        return any(issubclass(found, kind) for found in kinds)

    responses = [response for e in chain if (response := getattr(e, "response", None)) is not None]
    status = responses[0].status_code if responses else None
    reason = next((line.strip() for line in str(chain[-1]).splitlines() if line.strip()), kinds[-1].__name__)[:200]
    if is_a(errors.HFValidationError):
        return UserError(f"{begin} {name.repo} is not a name that the Hub allows; check it")
    if is_a(errors.OfflineModeIsEnabled):
        return UserError(
            f"{begin} HF_HUB_OFFLINE is set and it is not in the cache, {constants.HF_HUB_CACHE}; unset it once, or "
            "give a folder"
        )
    if isinstance(error, OSError) and error.errno is not None:  # those of a connection have no number
        return UserError(
            f"{begin} this computer cannot keep or read its files ({reason}); make room in {constants.HF_HUB_CACHE}, "
            "or name another folder in HF_HOME"
        )
    if is_a(errors.GatedRepoError):
        return UserError(
            f"{begin} the Hub gives it only to those who accept its terms; do so on its page, and {LOG_IN}"
        )
    if is_a(errors.RevisionNotFoundError):
        return UserError(f"{begin} the Hub has no revision {name.revision} of it; give a branch, a tag or a commit")
    if status == 429:
        seconds = next((f"{asked} seconds" for e in chain if (asked := retry_after(e))), "some minutes")
        return UserError(f"{begin} the Hub had too many requests from here; wait {seconds}, or {LOG_IN}")
    if is_a(errors.RepositoryNotFoundError) and not (pushed and status == 401):
        return UserError(f"{begin} the Hub has no such model, or it is private; check the name, or {LOG_IN}")
    if status in (401, 403):
        return UserError(f"{begin} the Hub does not allow it with this token, or none; {LOG_IN}")
    if pushed and status == 400:
        lines = " ".join(str(error).split())[:500]
        return UserError(
            f"{begin} the Hub refuses it ({lines}); correct {option('license')}, {option('language')} or the YAML "
            "at the top of README.md"
        )
    if status is None and kinds[-1] is ValueError:
        return UserError(f"{begin} the Hub sent an invalid answer ({reason}); tell the owner of the model")
    if status is None:
        return UserError(f"{begin} the Hub cannot be reached at {constants.ENDPOINT} ({reason}); try later")
    return UserError(f"{begin} the Hub fails with status {status} ({reason}); try later")


def retry_after(error: BaseException) -> int | None:
    """The number of seconds that the Hub asks to wait, where it says so."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    asked = str(headers.get("retry-after", ""))
    return int(asked) if asked.isdecimal() else None
