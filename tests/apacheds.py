"""A real ApacheDS for one test: its own process, folder, port and data.

    with ApacheDS() as server:
        server.start()
        server.load(empty_tree())

It is a lot to install, so only tests marked ``long`` use it.  Nothing here imports the package.

Facts that shaped it, besides those of ``tests/server.py`` (Debian's apacheds 2.0.0.AM26):

* The package names few of the libraries it needs, and its start script looks for none of the others: each of LIBRARIES
  must be on the class path, from wherever Debian keeps it.
* It reaches into two packages of Java's own that Java 17 hides.
* Of the controls and extended operations it knows, only those named when it starts are understood;
  which they are by default is in a shell script.
* Its configuration is LDIF before the first start only; then it is a database of files.  So settings are for one start.
* It does not take a space for part of a value at the end of a line, as Debian's configuration has one.
* It offers Content Synchronization unless ads-replEnabled is FALSE, then it refuses it (80).  The class that handles it
  need not be named.  After a search base that is not there it ends the connection, with no result.
* It has a partition for dc=example,dc=com, with an entry at the top.
* A search without a size limit of its own gets 1000 entries and 15 seconds.
* There is no private socket; and it listens before it answers.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import ldap

from tests.ldif_config import Settings, parse_ldif, with_settings
from tests.server import SUFFIX, Server, find_program

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LDAP_SERVER", "ApacheDS"]

CONFIG = Path("/etc/apacheds")
DEFAULTS = Path("/etc/default/apacheds")
JARS = Path("/usr/share/apacheds/lib")
MORE_JARS = Path("/usr/share/java")
LIBRARIES = (
    "antlr caffeine commons-codec commons-collections4 commons-io commons-lang3 commons-pool2 commons-text".split()
)
HIDDEN_PACKAGES = ["java.base/sun.security.util", "java.base/sun.security.x509"]

LDAP_SERVER = "ads-serverId=ldapServer,ou=servers,ads-directoryServiceId=default,ou=config"
TRANSPORTS = f"ou=transports,{LDAP_SERVER}"


@dataclass(kw_only=True)
class ApacheDS(Server):
    """One ApacheDS with the partition it comes with."""

    product: ClassVar[str] = "apacheds"
    start_timeout: ClassVar[float] = 60.0

    suffix: str = field(init=False, default=SUFFIX)
    rootdn: str = field(init=False, default="uid=admin,ou=system")
    # More of the configuration, for the first start.
    settings: Settings = field(default_factory=dict)

    @property
    def administrator_url(self) -> str:
        return self.url

    def load(self, source: str | Path | Iterable[str]) -> None:
        """Add the entries of an LDIF text, file or pieces of text to a server that runs; its top entry is there."""
        text = source.read_text(encoding="utf-8") if isinstance(source, Path) else "".join(source)
        for dn, attrs in parse_ldif(text):
            if dn != self.suffix:
                self.add(dn, attrs)

    def _prepare(self) -> list[str]:
        instance = self.directory / "instance"
        if not instance.exists():
            self._make_instance(instance)
        exports = [word for package in HIDDEN_PACKAGES for word in ("--add-exports", f"{package}=ALL-UNNAMED")]
        class_path = [f"{JARS}/*", *(str(MORE_JARS / f"{name}.jar") for name in LIBRARIES)]
        properties = {
            "apacheds.controls": _default("ADS_CONTROLS"),
            "apacheds.extendedOperations": _default("ADS_EXTENDED_OPERATIONS"),
            "apacheds.log.dir": str(instance / "log"),
            "java.awt.headless": "true",
            "log4j.configuration": (instance / "conf" / "log4j.properties").as_uri(),
        }
        # It lives for seconds: what the better compiler gains it would not get back.
        quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m"]
        options = [*quick, *exports, *(f"-D{name}={value}" for name, value in properties.items())]
        main = ["org.apache.directory.server.UberjarMain", f"{instance}/"]
        return [find_program("java", "default-jre-headless"), *options, "-cp", ":".join(class_path), *main]

    def _make_instance(self, instance: Path) -> None:
        if not CONFIG.exists():
            raise RuntimeError(f"{CONFIG} is missing: the Debian package apacheds has it")
        shutil.copytree(CONFIG, instance / "conf")
        for name in ("cache", "log", "partitions", "run"):
            (instance / name).mkdir()
        path = instance / "conf" / "config.ldif"
        own: Settings = {
            LDAP_SERVER: {
                "ads-maxSizeLimit": ["0"],
                "ads-maxTimeLimit": ["0"],
                "ads-replEnabled": ["TRUE"],
            },
            f"ads-transportid=ldap,{TRANSPORTS}": {
                "ads-systemPort": [str(self.port)],
                "ads-transportAddress": ["127.0.0.1"],
            },
            f"ads-transportid=ldaps,{TRANSPORTS}": {"ads-enabled": ["FALSE"]},
        }
        text = re.sub(" +$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        path.write_text(with_settings(text, own, self.settings), encoding="utf-8")

    def _accepts(self) -> bool:
        try:
            return bool(self.search("", ldap.SCOPE_BASE, attrs=["vendorName"]))
        except ldap.LDAPError:
            self._disconnect()
            return False


def _default(name: str) -> str:
    [words] = re.findall(f'^{name}="(.*?)"', DEFAULTS.read_text(), flags=re.DOTALL | re.MULTILINE)
    return str(words).replace("\\\n", "")
