"""What a configuration file may say: its tables, with a key for each field, and what each key means.

The meaning stands in the annotation, where the checker of files, the example and the documentation find it.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from syncrepl_client.secret import Secret
from syncrepl_client.service.units import Duration, Size

__all__ = ["EnvelopeName", "ServiceSection", "SinkSection", "SourceSection"]

EnvelopeName = Literal["cloudevents", "cloudevents-binary", "debezium", "plain", "ldif"]


class ServiceSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[service]``: what concerns all of it."""

    data: Annotated[str, Meta(description="the folder of the copies, and of what could not be delivered")]
    listen: Annotated[
        str,
        Meta(
            description="HOST:PORT where metrics and health are read; none by default",
            examples=["127.0.0.1:9464"],
        ),
    ] = ""
    grace: Annotated[
        Duration, Meta(description="how long a server or a receiver may be away until /readyz says that it is")
    ] = Duration(60)
    lag_limit: Annotated[
        Duration, Meta(description="how long a copy may lack what its server has until /readyz says so")
    ] = Duration(math.inf)
    delivery_lag_limit: Annotated[
        Duration, Meta(description="how long a change may wait for its delivery until /readyz says so")
    ] = Duration(math.inf)
    held_is_unready: Annotated[bool, Meta(description="whether deletions that are held make /readyz say no")] = False
    paused_is_unready: Annotated[bool, Meta(description="whether a sink that is paused makes /readyz say no")] = False
    log_format: Annotated[Literal["text", "json"], Meta(description="how log lines look")] = "text"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="which log lines there are; debug names entries")
    ] = "info"


class SourceSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table ``[sources.NAME]``: a search that is kept in step."""

    url: Annotated[
        str,
        Meta(
            description="the server and the search: ldap://HOST/BASE?ATTRIBUTES?SCOPE?FILTER?bindname=DN",
            examples=["ldaps://ldap.example.com/dc=example,dc=com?*?sub?(objectClass=person)"],
        ),
    ]
    data: Annotated[str, Meta(description="the file of the copy; NAME.db in the folder of the service by default")] = ""
    providers: Annotated[
        tuple[str, ...], Meta(description="URLs of further servers with the same content, tried in this order")
    ] = ()
    srv: Annotated[str, Meta(description="a domain in whose DNS the servers are looked up; the URL has no host")] = ""
    starttls: Annotated[bool, Meta(description="whether to encrypt an ldap:// connection before binding")] = False
    ca_file: Annotated[str, Meta(description="the authorities to believe (PEM); the system's by default")] = ""
    ca_folder: Annotated[str, Meta(description="a folder of such files")] = ""
    cert_file: Annotated[str, Meta(description="the certificate to show to the server (PEM)")] = ""
    key_file: Annotated[str, Meta(description="its key, if it is not in the same file")] = ""
    key_password: Annotated[Secret | None, Meta(description="the password of the key")] = None
    cleartext_password: Annotated[bool, Meta(description="whether the password may go over the network in clear")] = (
        False
    )
    password: Annotated[Secret | None, Meta(description="of the URL's bindname, or of the user")] = None
    sasl: Annotated[
        Literal["", "EXTERNAL", "GSSAPI", "SCRAM", "PLAIN"], Meta(description="bind with this mechanism of SASL")
    ] = ""
    user: Annotated[str, Meta(description="whose password SCRAM or PLAIN prove")] = ""
    authzid: Annotated[str, Meta(description="dn:DN or u:NAME, whom to act as after a bind with SASL")] = ""
    keytab_file: Annotated[str, Meta(description="a file with the key to get Kerberos tickets with")] = ""
    principal: Annotated[str, Meta(description="the Kerberos principal to be")] = ""
    on_behalf_of: Annotated[str, Meta(description="dn:DN or u:NAME, in whose name to search")] = ""
    max_deletes: Annotated[
        str, Meta(description="a refresh that would delete more than both is held: SHARE%,NUMBER, or none")
    ] = "10%,50"
    verify_every: Annotated[
        Duration | None,
        Meta(
            description="how often the copy is compared with the server; by default where the server needs it, "
            "'forever' is never"
        ),
    ] = None
    lag_every: Annotated[
        Duration,
        Meta(description="how often the provider is asked how far it is, for the metrics; 'forever' is never"),
    ] = Duration(15)
    mask: Annotated[
        tuple[str, ...],
        Meta(description="attributes whose values nobody sees; 'passwords' stands for all that hold passwords or keys"),
    ] = ("passwords",)
    drop: Annotated[tuple[str, ...], Meta(description="attributes that are left out, as if they were not there")] = ()
    hash: Annotated[tuple[str, ...], Meta(description="attributes of whose values a keyed hash is kept")] = ()
    hash_key: Annotated[Secret | None, Meta(description="the key of the hashes, 16 octets or more")] = None
    keep: Annotated[Duration, Meta(description="how long changes are kept")] = Duration(7 * 86_400)
    keep_size: Annotated[Size, Meta(description="how large the changelog gets")] = Size(256 << 20)
    keep_unread: Annotated[Duration, Meta(description="how long changes are kept that a sink has not got")] = Duration(
        30 * 86_400
    )
    keep_unread_size: Annotated[Size, Meta(description="how large the changelog gets by them")] = Size(4 << 30)


class SinkSection(Struct, frozen=True, kw_only=True):
    """A table ``[sinks.NAME]``: who gets the changes.  What is not here is an option of the kind of sink."""

    url: Annotated[str, Meta(description="which sink, and where it is", examples=["https://hooks.example.com/ldap"])]
    sink_class: Annotated[str, Meta(description="MODULE:CLASS of a sink of your own; the URL is what it gets")] = field(
        default="", name="class"
    )
    sources: Annotated[tuple[str, ...], Meta(description="names of the sources; all by default")] = field(
        default=(), name="from"
    )
    envelope: Annotated[EnvelopeName, Meta(description="what an event looks like")] = "cloudevents"
    start: Annotated[
        Literal["snapshot", "now"], Meta(description="whether to begin with all entries, or with what changes")
    ] = "snapshot"
    rejected: Annotated[
        Literal["retry", "dead letters", "skip", "pause"],
        Meta(description="what becomes of an event that the receiver will never take"),
    ] = "dead letters"
    dead_letters_in_order: Annotated[
        bool,
        Meta(description="whether later events of an entry are set aside too, until the first is delivered or dropped"),
    ] = True
    lost: Annotated[
        Literal["pause", "snapshot"],
        Meta(description="what to do when changes are gone that were not delivered: pause, or begin with a snapshot"),
    ] = "pause"
    batch: Annotated[int, Meta(description="how many changes are sent at once", ge=1, le=10_000)] = 500
    retry_first: Annotated[Duration, Meta(description="the longest wait before the first retry")] = Duration(1)
    retry_longest: Annotated[Duration, Meta(description="the longest wait of all")] = Duration(60)
    heartbeat: Annotated[
        Duration,
        Meta(
            description="after how long without an event one is sent that says that delivery works; 'forever' is never"
        ),
    ] = Duration(math.inf)
    kinds: Annotated[
        tuple[Literal["read", "created", "updated", "renamed", "deleted"], ...],
        Meta(description="the kinds of change; all by default"),
    ] = ()
    filter: Annotated[
        str, Meta(description="an LDAP filter; entries enter and leave it", examples=["(objectClass=person)"])
    ] = ""
    attributes: Annotated[tuple[str, ...], Meta(description="the attributes that are told; all by default")] = ()
    without: Annotated[tuple[str, ...], Meta(description="attributes that are not told")] = ()
    rename: Annotated[dict[str, str], Meta(description="other names for attributes")] = {}
    options: dict[str, Any] = {}
    """What the kind of sink takes besides; not a key."""
