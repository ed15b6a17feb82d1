"""A real 389 Directory Server for one test: its own process, folder, port and data.

    with NsSlapd(include_suffix=["cn=dns,dc=example,dc=com"]) as server:
        server.start()
        server.load(empty_tree())
        server.replace("ou=people,dc=example,dc=com", "description", ["x"])

The retro changelog and the content synchronization plugin are on.  Nothing here imports the package.

Facts that shaped it, besides those of ``tests/server.py`` (389-ds-base 2.3.1):

* ``dscreate`` wants systemd, keeps what it makes in Debian's own folders, takes 8 seconds and starts the server twice.
  What it does is to fill in a template of the configuration and to start ``ns-slapd``; so that is done here, in one
  second, and nothing outside the folder is written.
* The semaphore in /dev/shm that its statistics take is called after the last part of the configuration's folder.  Two
  servers must not share it, and one that is killed leaves it behind.
* It runs as root where root is named as its user; else it would change to that user.
* The schema in the configuration's folder must be a copy: it looks there for what it may write.
* A clear password of the administrator must say that it is one, or the whole configuration is refused.
* The plugin for entryUUID is added by the server's first start, but works only from the second on.
* Where it speaks as slapd does, a changelog without entryUUID makes it report no change at all, with success.
* The server rewrites its configuration, which also holds the state of its generator of UUIDs and the database that the
  retro changelog made; so settings go into what is there.
* Its imports replace a database and are not in the changelog.  An import takes two seconds, however small.
* Each transaction is forced to the disk, unless told otherwise.
* It looks at a new connection after up to a quarter of a second, and needs one to two seconds to stop.
* With nsslapd-readonly in its configuration it breaks down at the start (double free).
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tests.ldif_config import Settings, parse_ldif, with_settings
from tests.server import Server, find_program

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["CONFIG", "CONTENT_SYNC", "RETRO_CHANGELOG", "NsSlapd"]

CONFIG = "cn=config"
CONTENT_SYNC = "cn=Content Synchronization,cn=plugins,cn=config"
RETRO_CHANGELOG = "cn=Retro Changelog Plugin,cn=plugins,cn=config"
DATABASES = "cn=config,cn=ldbm database,cn=plugins,cn=config"
BERKELEY_DB = f"cn=bdb,{DATABASES}"

TEMPLATES = Path("/usr/share/dirsrv/data")
SEMAPHORES = Path("/dev/shm")  # noqa: S108  # where the C library keeps them
BACKEND = "userRoot"
ENTRYUUID_PLUGIN = """
dn: cn=entryuuid,cn=plugins,cn=config
objectClass: top
objectClass: nsSlapdPlugin
cn: entryuuid
nsslapd-pluginPath: libentryuuid-plugin
nsslapd-pluginInitfunc: entryuuid_plugin_init
nsslapd-pluginType: betxnpreoperation
nsslapd-pluginEnabled: on
nsslapd-pluginId: entryuuid
nsslapd-pluginVersion: none
nsslapd-pluginVendor: 389 Project
nsslapd-pluginDescription: entryuuid
"""


@dataclass(kw_only=True)
class NsSlapd(Server):
    """One ns-slapd with one database.

    The settings are written to its configuration at each ``start``, so they may be changed in between.
    """

    product: ClassVar[str] = "ns-slapd"

    rootdn: str = "cn=Directory Manager"
    # Only changes below these come into the retro changelog; none: all changes do.
    include_suffix: Sequence[str] = ()
    # How long changes stay there, as "3s" or "2d", and how often old ones are removed, in seconds.
    changelog_max_age: str | None = None
    changelog_trim_interval: int | None = None
    # Speak as slapd does to clients whose first cookie is "rid=000".
    allow_openldap: bool = False
    # More of the configuration.
    settings: Settings = field(default_factory=dict)

    @property
    def uuid_attribute(self) -> str:  # type: ignore[override]  # depends on a setting here
        return "entryUUID" if self.allow_openldap else "nsUniqueId"

    @property
    def access_log(self) -> str:
        """What clients did so far."""
        return (self.directory / "log" / "access").read_text(errors="replace")

    def load(self, source: str | Path | Iterable[str]) -> None:
        """Add the entries of an LDIF text, file or pieces of text.

        A server that runs gets one operation for each, which come into the changelog.  One that does not, imports them
        in place of all it has.
        """
        text = source.read_text(encoding="utf-8") if isinstance(source, Path) else "".join(source)
        if self.running:
            for dn, attrs in parse_ldif(text):
                self.add(dn, attrs)
            return
        path = self.directory / "load.ldif"
        path.write_text(text, encoding="utf-8")
        command = [_program(), "ldif2db", "-D", self._write_config(), "-n", BACKEND, "-i", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            raise RuntimeError(f"ldif2db failed: {done.stderr[-2000:]}{self.log[-2000:]}")

    def close(self) -> None:
        super().close()
        (SEMAPHORES / f"sem.{self._config.name}.stats").unlink(missing_ok=True)

    @property
    def _config(self) -> Path:
        return self.directory / self.directory.name.removeprefix("ns-")

    @property
    def _log_path(self) -> Path:
        return self.directory / "log" / "errors"

    def _prepare(self) -> list[str]:
        return [_program(), "-d", "0", "-D", self._write_config(), "-i", str(self.directory / "run" / "pid")]

    def _write_config(self) -> str:
        path = self._config / "dse.ldif"
        text = path.read_text(encoding="utf-8") if path.exists() else self._first_config()
        path.write_text(with_settings(text, self._own_settings(), self.settings), encoding="utf-8")
        return str(self._config)

    def _own_settings(self) -> Settings:
        max_age, interval = self.changelog_max_age, self.changelog_trim_interval
        return {
            CONFIG: {
                "nsslapd-listenhost": ["127.0.0.1"],
                "nsslapd-accesslog-logbuffering": ["off"],
            },
            BERKELEY_DB: {
                "nsslapd-cache-autosize": ["0"],
                "nsslapd-db-durable-transaction": ["off"],
                "nsslapd-dbcachesize": ["8000000"],
                "nsslapd-db-logfile-size": ["1000000"],
            },
            RETRO_CHANGELOG: {
                "nsslapd-pluginEnabled": ["on"],
                "nsslapd-attribute": [
                    "nsuniqueid:targetUniqueId",
                    *(["entryuuid:targetEntryUUID"] if self.allow_openldap else []),
                ],
                "nsslapd-include-suffix": self.include_suffix,
                "nsslapd-changelogmaxage": [] if max_age is None else [max_age],
                "nsslapd-changelog-trim-interval": [] if interval is None else [str(interval)],
            },
            CONTENT_SYNC: {
                "nsslapd-pluginEnabled": ["on"],
                "syncrepl-allow-openldap": ["on"] if self.allow_openldap else [],
            },
        }

    def _first_config(self) -> str:
        """Make the folders, and fill in the templates."""
        config, folder = self._config, self.directory
        (config / "schema").mkdir(parents=True)
        (config / "certmap.conf").write_text("certmap default default\n")
        (config / "slapd-collations.conf").touch()
        (config / "schema" / "99user.ldif").write_text("dn: cn=schema\nobjectClass: top\ncn: schema\n")
        folders = {f"{name}_dir": folder / name for name in "bak cert db db_home inst ldif lock log run tmp".split()}
        for path in folders.values():
            path.mkdir()
        words = {
            **folders,
            "config_dir": config,
            "schema_dir": config / "schema",
            "db_lib": "bdb",
            "ds_bename": BACKEND,
            "ds_passwd": f"{{CLEAR}}{self.rootpw}",
            "ds_port": self.port,
            "ds_suffix": self.suffix,
            "ds_user": getuser(),
            # The server's name in its cookies.
            "fqdn": "localhost",
            "ldapi": self._socket_path,
            "ldapi_autobind": "off",
            "ldapi_enabled": "on",
            "rootdn": self.rootdn,
        }
        template = (TEMPLATES / "template-dse.ldif").read_text() + (TEMPLATES / "template-suffix-db.ldif").read_text()
        berkeley_db = f"\ndn: {BERKELEY_DB}\nobjectClass: top\nobjectClass: extensibleObject\ncn: bdb\n"
        return re.sub("%([a-z_]+)%", lambda found: str(words[found[1]]), template) + ENTRYUUID_PLUGIN + berkeley_db


def _program() -> str:
    return find_program("ns-slapd", "389-ds-base")
