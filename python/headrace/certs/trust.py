"""Making browsers believe the local authority: NSS databases by `certutil`, and what to do where we can't.

Chromium and Chrome on Linux read the user's `~/.pki/nssdb`, Firefox one database in each profile.
"""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from headrace.errors import OperationError

FIREFOX = (".mozilla/firefox", "snap/firefox/common/.mozilla/firefox")
TRUSTED_FOR_SERVERS = "C,,"


def databases(home: Path) -> list[Path]:
    """The NSS databases of the user whose home this is: the shared one, made if missing, and Firefox's."""
    profiles = (file.parent for folder in FIREFOX for file in (home / folder).glob("*/cert9.db"))
    return [home / ".pki" / "nssdb", *sorted(profiles)]


def certutil() -> str | None:
    """Where the tool is that writes NSS databases."""
    return shutil.which("certutil")


def trust(ca: Path, database: Path) -> None:
    """Makes programs that read `database` believe certificates of `ca`; again does nothing new.

    Raises `OperationError` with what `certutil` says.
    """
    if not (database / "cert9.db").exists():
        database.mkdir(mode=0o700, parents=True, exist_ok=True)
        _run(database, "-N")
    _run(database, "-A", "-n", _nickname(ca), "-t", TRUSTED_FOR_SERVERS, "-i", str(ca))


def distrust(ca: Path, database: Path) -> bool:
    """Takes `ca` out of `database`; False when it was not in it."""
    if not (database / "cert9.db").exists() or _nickname(ca) not in _run(database, "-L"):
        return False
    _run(database, "-D", "-n", _nickname(ca))
    return True


def elsewhere(ca: Path) -> list[str]:
    """What makes the others trust it, line by line."""
    return [
        f"curl:      curl --cacert {ca} https://localhost:2000",
        f"Python:    SSL_CERT_FILE={ca} python3 ...",
        "Chromium:  headrace certs trust, with Debian's libnss3-tools installed; then start it anew",
        f"Firefox:   Settings, Certificates, Authorities, Import {ca}",
        f"Debian:    sudo cp {ca} /usr/local/share/ca-certificates/headrace.crt && sudo update-ca-certificates",
        f"Fedora:    sudo trust anchor {ca}",
        f"macOS:     security add-trusted-cert -r trustRoot -k ~/Library/Keychains/login.keychain-db {ca}",
    ]


def _nickname(ca: Path) -> str:
    names = x509.load_pem_x509_certificate(ca.read_bytes()).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value)


def _run(database: Path, *arguments: str) -> str:
    command = ["certutil", "-d", f"sql:{database}", *arguments]
    # Without an (empty) password file it would ask for one at the terminal, and wait.
    quiet = [*command, "-f", os.devnull]
    done = subprocess.run(quiet, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split())
        raise OperationError(f"certutil can't use {database}: {said}", hint=f"try it by hand: {shlex.join(command)}")
    return done.stdout
