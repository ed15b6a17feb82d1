"""A small schema, and entries to select from."""

from __future__ import annotations

from syncrepl_client.ldap.schema import Schema
from syncrepl_client.model import Attributes, Entry

__all__ = ["SCHEMA", "entry"]

_SYNTAX = "1.3.6.1.4.1.1466.115.121.1."
_TEXT = f"EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX {_SYNTAX}15"
_NUMBER = f"EQUALITY integerMatch ORDERING integerOrderingMatch SYNTAX {_SYNTAX}27"
_OPERATIONAL = "NO-USER-MODIFICATION USAGE directoryOperation"
SCHEMA = Schema.parse(
    {
        "attributeTypes": [
            text.encode()
            for text in (
                f"( 2.5.4.0 NAME 'objectClass' EQUALITY objectIdentifierMatch SYNTAX {_SYNTAX}38 )",
                f"( 2.5.4.3 NAME ( 'cn' 'commonName' ) {_TEXT} )",
                f"( 2.5.4.7 NAME ( 'l' 'localityName' ) {_TEXT} )",
                f"( 0.9.2342.19200300.100.1.3 NAME ( 'mail' 'rfc822Mailbox' ) {_TEXT} )",
                f"( 1.3.6.1.1.1.1.0 NAME 'uidNumber' {_NUMBER} SINGLE-VALUE )",
                f"( 0.9.2342.19200300.100.1.60 NAME 'jpegPhoto' SYNTAX {_SYNTAX}28 )",
                f"( 2.5.4.36 NAME 'userCertificate' EQUALITY certificateExactMatch SYNTAX {_SYNTAX}8 )",
                f"( 2.5.18.2 NAME 'modifyTimestamp' SYNTAX {_SYNTAX}24 {_OPERATIONAL} )",
                f"( 1.3.6.1.4.1.4203.666.1.7 NAME 'entryCSN' SYNTAX 1.3.6.1.4.1.4203.666.11.2.1 {_OPERATIONAL} )",
            )
        ],
        "objectClasses": [b"( 2.5.6.6 NAME 'person' SUP top MUST cn )"],
    }
)


def entry(values: dict[str, list[bytes]], dn: str = "cn=ann,dc=x", number: int = 1, schema: Schema = SCHEMA) -> Entry:
    return Entry(number.to_bytes(16), dn, Attributes.of(values), schema)
