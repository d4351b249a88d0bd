"""Whether a run was made by this user on this machine: the data file that its settings name is opened unsaid only then.

A run folder from elsewhere may name any file, `/etc/passwd` or a device, which its network would then be shown. So each
run carries a mark of the files that its settings name: a keyed hash (HMAC, RFC 2104) with a key that never leaves the
user's state folder. A copy of the folder keeps it; settings that were changed, or made by others, do not have it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecast.errors import ForecastError

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEY_BYTES = 32


def mark_of(settings: Mapping[str, Any]) -> str:
    """Return the mark that settings of a job get here; "" where no key can be kept, so that all runs are strangers."""
    key = _key()
    return "" if key is None else hmac.new(key, _named_files(settings), hashlib.sha256).hexdigest()


def check_data_path(settings: Mapping[str, Any], mark: str, said: Mapping[str, Any], folder: Path) -> None:
    """Refuse to open the data file that the settings of a stranger's run name, unless it is `said` again.

    Raises
    ------
    ForecastError
        The run bears no mark of this user, and its settings name a file.

    """
    data = settings.get("data")
    path = data.get("path") if isinstance(data, dict) and "path" not in said else None
    path = _collection(settings) if path is None else path
    if path is None or is_own(settings, mark):
        return
    raise ForecastError(
        f"the run {folder} was not made here by you, and the data that it names ({str(path)[:200]!r}) are not opened "
        f"unasked: say which file is meant, with `data.path=...`"
    )


def is_own(settings: Mapping[str, Any], mark: str) -> bool:
    """Whether a mark is that of this user and belongs to the settings."""
    own = mark_of(settings)
    return own != "" and hmac.compare_digest(own.encode(), mark.encode())


def _named_files(settings: Mapping[str, Any]) -> bytes:
    model = settings.get("model")
    weights = model.get("weights") if isinstance(model, dict) else None
    more = [collection] if (collection := _collection(settings)) is not None else []
    return json.dumps([settings.get("data"), weights, *more], sort_keys=True).encode()


def _collection(settings: Mapping[str, Any]) -> Any:
    """What a pretraining is trained on."""
    pretrain = settings.get("pretrain")
    return pretrain.get("data") if isinstance(pretrain, dict) else None


def _key() -> bytes | None:
    """Return the user's key; the first run makes it."""
    try:
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        path = Path(state) / "forecast" / "key"
        if not path.exists():
            _make(path)
        key = path.read_bytes()
    except (OSError, RuntimeError):  # a home that is read-only, or unknown
        return None
    return key if len(key) == _KEY_BYTES else None


def _make(path: Path) -> None:
    """Write a new key aside and put it in its place whole, if no other process was quicker."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"key.{os.getpid()}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(_KEY_BYTES))
    try:
        with suppress(FileExistsError):
            path.hardlink_to(part)
    finally:
        part.unlink()
