"""Where are large fetched things kept, so that a second start is quick and a broken fetch is never taken for a whole one?"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def folder() -> Path:
    """The user's cache: `$XDG_CACHE_HOME/heli`, else `~/.cache/heli`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "heli"


def build_once(name: str, build: Callable[[Path], None], parent: Path | None = None) -> Path:
    """Returns the folder `name`; if absent, `build` fills a temporary sibling, which then takes the name in one step."""
    parent = parent or folder()
    target = parent / name
    if target.exists():
        return target
    parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=parent))
    try:
        build(draft)
        draft.chmod(0o755)
        try:
            draft.rename(target)
        except OSError:
            if not target.exists():  # else another process was quicker, and its folder is as good
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target
