"""How a connection is encrypted: whom to believe, and what to show of oneself.

`TLS` is what a program says about it.  The files are read anew for each connection, so that a certificate that was
renewed is found without a restart; what is wrong with them is told before anything is sent.

Facts about OpenSSL that shaped it:

* It asks at the terminal for the password of a key, unless it is given a function to ask.
* In a folder of authorities it looks for names made of hashes; certificates under other names are passed over without
  a word.
* It does not say which of two files is missing.
"""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import UsageError
from syncrepl_client.log_fields import fields
from syncrepl_client.secret import is_exposed

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from syncrepl_client.secret import Secret

__all__ = ["TLS"]

_log = logging.getLogger("syncrepl_client.transport.tls")

_CERTIFICATE: Final = b"CERTIFICATE-----"
_KEY: Final = b"PRIVATE KEY-----"
_SKIPPED: Final = "certificates are not verified: whoever is on the way can read and change everything"


@dataclass(frozen=True, slots=True, kw_only=True)
class TLS:
    """How to encrypt.

    The default verifies the certificate's chain up to an authority that the system knows, and its name or IP address
    against the host of the URL (RFC 6125, RFC 4513 section 3.1.3), with TLS 1.2 or later.

    Args:
        ca_file: certificates of the authorities to believe, in PEM form, instead of the system's.
        ca_folder: a folder of such files.
        certificate: the certificate to show to the server, in PEM form, with the chain after it and perhaps its key.
        key: the key of that certificate, if it is in a file of its own.
        key_password: what decrypts the key.
        context: made by the program, instead of all of the above.
        insecure_skip_verification: accept any certificate, from anybody.  It is logged as a warning.

    Raises:
        UsageError: the settings contradict each other.
    """

    ca_file: str | os.PathLike[str] | None = None
    ca_folder: str | os.PathLike[str] | None = None
    certificate: str | os.PathLike[str] | None = None
    key: str | os.PathLike[str] | None = None
    key_password: Secret | None = None
    context: ssl.SSLContext | None = None
    insecure_skip_verification: bool = False

    def __post_init__(self) -> None:
        authorities = self.ca_file is not None or self.ca_folder is not None
        identity = self.certificate is not None or self.key is not None or self.key_password is not None
        if self.context is not None:
            if authorities or identity or self.insecure_skip_verification:
                raise UsageError(
                    "an SSLContext and other TLS settings were given", hint="make all settings in the SSLContext"
                )
            if self.context.protocol is ssl.PROTOCOL_TLS_SERVER:
                raise UsageError("the SSLContext is one for servers", hint="make it with ssl.create_default_context()")
        if self.certificate is None and self.key is not None:
            raise UsageError("a key was given without its certificate", hint="give the certificate too")
        if self.certificate is None and self.key_password is not None:
            raise UsageError("a password for a key was given without a key", hint="give the certificate and its key")
        if self.insecure_skip_verification and authorities:
            raise UsageError(
                "authorities were given and the verification by them turned off", hint="leave out one of the two"
            )

    @classmethod
    def of(cls, given: TLS | ssl.SSLContext | None) -> TLS:
        """Return the settings in whatever form a program has them."""
        if given is None:
            return cls()
        return cls(context=given) if isinstance(given, ssl.SSLContext) else given

    def exposed_files(self) -> Iterator[Path]:
        """Iterate over the files with our secrets that other users can read."""
        # An encrypted key is no secret, only its password is.
        secret = self.key_file if self.key_password is None else self.key_password.path
        if secret is not None and is_exposed(secret):
            yield Path(secret)

    @property
    def key_file(self) -> Path | None:
        """The file that holds our key, which may be that of the certificate; None if there is none."""
        if self.key is not None or self.certificate is None:
            return None if self.key is None else Path(self.key)
        try:
            return Path(self.certificate) if _KEY in Path(self.certificate).read_bytes() else None
        except OSError:
            # Who loads it says why.
            return None

    def make_context(self) -> ssl.SSLContext:
        """Make the context of one connection from what the files hold now.

        Raises:
            UsageError: a file cannot be read or used.
        """
        context = self.context
        if context is None:
            context = self._verifying()
            if self.certificate is not None:
                self._load_identity(context, _readable(self.certificate, "certificate"))
        if context.verify_mode is not ssl.CERT_REQUIRED:
            _log.warning(_SKIPPED, extra=fields(what="tls-unverified"))
        elif not context.check_hostname:
            _log.warning(
                "the names of certificates are not verified: any server of the authority is believed",
                extra=fields(what="tls-unverified"),
            )
        return context

    def _verifying(self) -> ssl.SSLContext:
        if self.ca_file is None and self.ca_folder is None:
            context = ssl.create_default_context()
        else:
            # What a program, or the environment, names as authorities stands instead of the system's.
            context = ssl.create_default_context(cadata=_authorities(self.ca_file, self.ca_folder))
        # Servers of LDAP have no use for it, and it would have to be waited for while sending.
        context.options |= ssl.OP_NO_RENEGOTIATION
        # The system may ask for more.
        context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
        if self.insecure_skip_verification:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _load_identity(self, context: ssl.SSLContext, certificate: Path) -> None:
        key = None if self.key is None else _readable(self.key, "key")
        asked = False

        def password() -> bytes:
            nonlocal asked
            asked = True
            if self.key_password is None:
                raise UsageError(
                    f"the key in {str(key or certificate)!r} is encrypted, and no password was given",
                    hint="give key_password, or --key-password-file",
                )
            return self.key_password.reveal()

        try:
            context.load_cert_chain(certificate, key, password)
        except ssl.SSLError as error:
            raise _unusable(certificate, key, error, asked=asked) from None


def _unusable(certificate: Path, key: Path | None, error: ssl.SSLError, *, asked: bool) -> UsageError:
    """Say why a certificate and its key were not loaded."""
    if error.reason == "KEY_VALUES_MISMATCH":
        return UsageError(
            f"the key in {str(key or certificate)!r} is not that of the certificate in {str(certificate)!r}",
            hint="give the two files that belong together",
        )
    if asked:
        return UsageError(
            f"the key in {str(key or certificate)!r} cannot be decrypted", hint="check its password, and the file"
        )
    files = f"{str(certificate)!r} and {str(key)!r}" if key else repr(str(certificate))
    return UsageError(
        f"no certificate with its key is in {files} ({_reason(error)})",
        hint="both must be in PEM form",
    )


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or "not in PEM form").replace("_", " ").lower()


def _readable(path: str | os.PathLike[str], what: str) -> Path:
    """Return a path whose file can be read."""
    try:
        with Path(path).open("rb") as file:
            file.read(1)
    except OSError as error:
        raise _unreadable(path, what, error) from error
    return Path(path)


def _unreadable(path: str | os.PathLike[str], what: str, error: OSError) -> UsageError:
    return UsageError(
        f"cannot read the {what} {str(path)!r}: {error.strerror}", hint="check the path, and who may read it"
    )


def _authorities(file: str | os.PathLike[str] | None, folder: str | os.PathLike[str] | None) -> str:
    """Return the certificates of the authorities, in PEM form."""
    found = [] if file is None else [_certificates(Path(file), "file of authorities")]
    if file is not None and not any(found):
        raise UsageError(f"no certificate is in {str(file)!r}", hint="it must be in PEM form")
    if folder is not None:
        inside = _inside(Path(folder))
        if not any(inside):
            raise UsageError(
                f"no certificate is in the folder {str(folder)!r}", hint="put files in PEM form there, under any name"
            )
        found += inside
    return "\n".join(found)


def _inside(folder: Path) -> list[str]:
    try:
        # Folders made for OpenSSL hold each certificate a second time, as a link.
        files = sorted({path.resolve() for path in folder.iterdir()})
    except OSError as error:
        raise _unreadable(folder, "folder of authorities", error) from error
    return [_certificates(path, "authority") for path in files if path.is_file()]


def _certificates(path: Path, what: str) -> str:
    """Return the certificates in a file; empty if there are none."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, what, error) from error
    if _CERTIFICATE not in data:
        return ""
    # Comments may be in any encoding.
    text = data.decode("ascii", errors="replace").replace("\ufffd", "?")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except ssl.SSLError as error:
        raise UsageError(f"a certificate in {str(path)!r} is damaged", hint="get the file anew") from error
    return text
