"""A folder to a repository of the hub, by huggingface_hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from weft.errors import ConfigError

_REMEDY = "check the name (owner/name), the network and HF_TOKEN, which must allow to write"


def check_push(repo: str) -> None:
    """Refuses what the hub would refuse in any case, without asking it.

    Raises:
        ConfigError: the repository's name is none, or there is no token.
    """
    from huggingface_hub import errors, get_token
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo)
        fault = None if "/" in repo else f"no owner: {repo!r}"
    except errors.HFValidationError as error:
        fault = str(error)
    if fault is not None:
        raise ConfigError(
            f"{repo} is no name of a repository on the hub",
            found=fault,
            remedy="name it owner/name with --push",
        )
    if get_token() is None:
        raise ConfigError(
            f"{repo} could not be pushed to",
            found="no token of the hub",
            remedy="set HF_TOKEN to one that may write, or type `hf auth login`",
        )


def push(folder: Path, repo: str, *, private: bool = False) -> str:
    """Uploads all files of a folder in one commit; the repository is made where it is not there.

    Args:
        repo: `owner/name`. Token and address are huggingface_hub's (`HF_TOKEN`, `HF_ENDPOINT`).
        private: whether a repository that is made now is.

    Returns:
        The address of the commit.

    Raises:
        ConfigError: the hub refuses, or cannot be reached.
    """
    from huggingface_hub import HfApi, errors

    # of the HTTP library that huggingface_hub is on: httpx, then httpx2
    unreachable = cast("type[Exception]", cast("Any", errors).HTTPError)
    api = HfApi(library_name="weft")
    try:
        api.create_repo(repo, private=private or None, exist_ok=True)
        done = api.upload_folder(
            repo_id=repo, folder_path=folder, commit_message="Export by weft, with its certificate"
        )
    except (errors.HFValidationError, unreachable, OSError, RuntimeError) as error:
        raise ConfigError(
            f"{repo} could not be pushed to",
            found=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
            remedy=f"{_REMEDY}; the export itself lies in {folder}",
        ) from error
    return str(done.commit_url)
