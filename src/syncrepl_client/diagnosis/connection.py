"""Findings about the way to the server: the connection, the server at its end, and who we are to it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from syncrepl_client.contentsync import dialects
from syncrepl_client.diagnosis.finding import Finding, Remedy, Severity
from syncrepl_client.diagnosis.remedies import (
    address,
    openldap_certificate,
    openldap_monitor,
    openldap_root_dse,
)
from syncrepl_client.exceptions import CertificateError
from syncrepl_client.ldap.messages import START_TLS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncrepl_client.diagnosis.facts import Facts
    from syncrepl_client.exceptions import SyncreplError

__all__ = ["cancel", "certificate", "connection", "dialect", "encryption", "explained", "identity", "product"]

_PRODUCTS: Final = {
    dialects.OPENLDAP: "OpenLDAP",
    dialects.DS389: "389 Directory Server",
    dialects.FREEIPA: "FreeIPA (389 Directory Server inside)",
    dialects.APACHEDS: "ApacheDS",
}
_RESUMES: Final = {
    dialects.OPENLDAP: (
        Severity.OK,
        (
            "Each start resumes from the stored cookie, and what the server sends is complete: the copy need not be "
            "compared, which 'syncrepl-client verify' does at any time."
        ),
    ),
    dialects.DS389: (
        Severity.NOTE,
        (
            "Each start resumes from the stored cookie while the changelog holds what followed; what the server sends "
            "is not complete, so the client compares its copy after each resumption and every ten minutes."
        ),
    ),
    dialects.FREEIPA: (
        Severity.NOTE,
        (
            "The changelog of FreeIPA covers cn=dns alone, so for this base each start reads everything, and the "
            "client compares its copy every ten minutes."
        ),
    ),
    dialects.APACHEDS: (
        Severity.NOTE,
        (
            "No cookie of this server can be resumed from: each start reads everything, and the client compares its "
            "copy every ten minutes while it listens."
        ),
    ),
    dialects.UNKNOWN: (
        Severity.WARNING,
        (
            "Nobody has tried this kind of server: it is taken at the word of RFC 4533, and a refresh that names "
            "nothing as present deletes only what a search confirms; run 'syncrepl-client verify' now and then."
        ),
    ),
}
_SOON: Final = 21
"""Days before a certificate's end from which on it is warned about."""
_PLAIN: Final = "PLAIN"


def explained(error: SyncreplError) -> str:
    """Write an error and its hint as one sentence."""
    return f"{error}; {error.hint}." if error.hint else f"{error}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def connection(facts: Facts) -> Iterator[Finding]:
    """Tell why there is no connection, or no more."""
    error = facts.link.connecting or facts.link.lost
    if error is not None:
        rest = "" if facts.link.connecting else " What was asked after that is not known."
        remedies = (_show_certificate(facts),) if isinstance(error, CertificateError) else ()
        yield Finding("connection", Severity.PROBLEM, _capital(explained(error)) + rest, remedies)


def encryption(facts: Facts) -> Iterator[Finding]:
    """Tell who can read along."""
    link = facts.link
    if link.encrypting is not None:
        yield Finding("encryption", Severity.PROBLEM, _capital(explained(link.encrypting)), _offer_tls(facts))
    elif link.layered:
        yield Finding("encryption", Severity.OK, f"The connection is encrypted by {link.mechanism}.")
    elif link.encrypted:
        whose = ", and the certificate is the server's" if link.verified else ""
        yield Finding("encryption", Severity.OK, f"The connection is encrypted{whose}.")
    elif link.local:
        yield Finding("encryption", Severity.OK, "The connection is not encrypted, and does not leave this machine.")
    elif facts.url.bind_name and not link.mechanism:
        text = "The password goes over the network in clear, for everybody on the way to read."
        yield Finding("encryption", Severity.PROBLEM, text, _use_tls(facts))
    else:
        text = "The connection is not encrypted: whoever is on the way can read and change what the server sends."
        yield Finding("encryption", Severity.WARNING, text, _use_tls(facts))


def certificate(facts: Facts) -> Iterator[Finding]:
    """Tell whether the server's certificate is to be believed, and for how long."""
    link = facts.link
    if not link.verified:
        text = "The certificate was not verified: whoever is on the way can read and change everything."
        given = link.mechanism == _PLAIN or (facts.url.bind_name and not link.mechanism)
        if given:
            text = "The certificate was not verified: whoever is on the way can read the password, and everything else."
        yield Finding("certificate", Severity.PROBLEM if given else Severity.WARNING, text, (_show_certificate(facts),))
    elif link.days_left is not None:
        soon = link.days_left < _SOON
        text = f"The server's certificate expires {_in_days(link.days_left)}"
        rest = ": from then on no client will connect, until it is renewed on the server." if soon else "."
        yield Finding("certificate", Severity.WARNING if soon else Severity.OK, text + rest)


def _in_days(days: float) -> str:
    whole = int(days)
    return f"in {whole} day{'' if whole == 1 else 's'}" if whole else "today"


def _show_certificate(facts: Facts) -> Remedy:
    url = facts.url
    starttls = " -starttls ldap" if url.scheme == "ldap" else ""
    host = f"[{url.host}]" if ":" in url.host else url.host or "localhost"
    command = f"openssl s_client -connect {shlex.quote(f'{host}:{url.port}')}{starttls} -showcerts </dev/null"
    return Remedy(
        "in a shell, to see the certificate; give its authority with --ca-file once you are sure of it", (command,)
    )


def _use_tls(facts: Facts) -> tuple[Remedy, ...]:
    if START_TLS in facts.server.extensions:
        return (Remedy("on the command line", (f"syncrepl-client doctor --starttls {shlex.quote(str(facts.url))}",)),)
    return _offer_tls(facts)


def _offer_tls(facts: Facts) -> tuple[Remedy, ...]:
    """Give the lines by which a server gets a certificate."""
    if facts.dialect is dialects.OPENLDAP:
        return openldap_certificate()
    if facts.is_389:
        lines = (
            "dsctl INSTANCE tls import-server-key-cert /etc/ssl/certs/ldap.pem /etc/ssl/private/ldap.key",
            "dsconf INSTANCE security enable",
            "dsctl INSTANCE restart",
        )
        return (Remedy("in a shell on the server", lines),)
    return ()


def product(facts: Facts) -> Iterator[Finding]:
    """Tell what the server is."""
    server = facts.server
    if not server.known:
        text = (
            f"The server at {address(facts)} hides what it is, for its root DSE cannot be read: its kind is guessed "
            "from its cookies, and much of what follows was not asked."
        )
        yield Finding("product", Severity.WARNING, text, openldap_root_dse())
        return
    named = _PRODUCTS.get(facts.dialect) or server.vendor or "a server that does not tell its maker"
    if facts.said_version:
        yield Finding("product", Severity.OK, f"The server is {named}, version {facts.said_version}.")
        return
    unknown = "of a version that it does not tell, so defects of single versions are left out below"
    if facts.dialect is not dialects.OPENLDAP:
        yield Finding("product", Severity.NOTE, f"The server is {named}, {unknown}.")
        return
    text = f"The server is {named}, {unknown}: only cn=Monitor tells it, which is not there or not for this identity."
    yield Finding("product", Severity.NOTE, text, openldap_monitor(facts))


def dialect(facts: Facts) -> Iterator[Finding]:
    """Tell what the client makes of such a server, if it can be synchronized with at all."""
    failed = facts.base is None or facts.base.error or (facts.trial is not None and facts.trial.error)
    reads_everything = facts.openldap is not None and not facts.openldap.resumes
    if not failed and not reads_everything:
        severity, text = _RESUMES[facts.dialect]
        yield Finding("dialect", severity, text)


def cancel(facts: Facts) -> Iterator[Finding]:
    """Tell how a client that listens ends."""
    if facts.server.offers_cancel:
        yield Finding("cancel", Severity.OK, "A client that listens can end it by Cancel (RFC 3909).")
    elif facts.dialect.can_abandon:
        text = "The server has no Cancel (RFC 3909): a client that listens ends by Abandon, which works as well."
        yield Finding("cancel", Severity.NOTE, text)
    else:
        text = "Cancel and Abandon do damage here: a client that listens ends by closing the connection."
        yield Finding("cancel", Severity.NOTE, text)


def identity(facts: Facts) -> Iterator[Finding]:
    """Tell who the server takes us for."""
    link = facts.link
    if link.binding is not None:
        text = f"{_capital(str(link.binding))}: what follows is what an anonymous client sees."
        hint = f" {_capital(link.binding.hint)}." if link.binding.hint else ""
        yield Finding("identity", Severity.PROBLEM, text + hint)
    elif link.identity:
        yield Finding("identity", Severity.OK, f"The server takes this client for {link.identity}.")
    elif (facts.url.bind_name or link.mechanism) and link.identity is None:
        text = f"The bind {_by(facts)} succeeded; the server does not tell whom it takes us for."
        yield Finding("identity", Severity.NOTE, text)
    else:
        text = "This client is anonymous; ????bindname=DN at the end of the URL makes it somebody."
        yield Finding("identity", Severity.NOTE, text)


def _by(facts: Facts) -> str:
    return f"with {facts.link.mechanism}" if facts.link.mechanism else f"as {facts.url.bind_name}"
