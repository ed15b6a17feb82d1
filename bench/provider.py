"""Two directories with the same people, one with UUIDs in the order of the entries and one with random ones."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import trustme
from tests.slapd import Slapd

from bench.measure import Run

__all__ = ["copy_with_slapd", "prepare"]

_LOOK_EVERY = 0.1

_LOAD = """if True:
    import sys
    from tests.slapd import sample_ldif
    sys.stdout.writelines(sample_ldif(int(sys.argv[1]), random_uuids=sys.argv[2] == "random"))
"""


def prepare(people: int, *, random_uuids: bool, sessionlog: int | None = None) -> Slapd:
    """Make a provider with a sample directory and a certificate; it is not started yet."""
    slapd = Slapd(sessionlog=sessionlog)
    _certify(slapd)
    ldif = slapd.directory / "people.ldif"
    with ldif.open("wb") as sink:
        # In a process of its own, so that this one stays small.
        kind = "random" if random_uuids else "sequential"
        subprocess.run([sys.executable, "-c", _LOAD, str(people), kind], stdout=sink, check=True)
    slapd.load(ldif)
    ldif.unlink()
    return slapd


def _certify(slapd: Slapd) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    slapd.tls_ca, slapd.tls_cert, slapd.tls_key = (slapd.directory / name for name in ("ca", "certificate", "key"))
    authority.cert_pem.write_to_path(str(slapd.tls_ca))
    certificate.cert_chain_pems[0].write_to_path(str(slapd.tls_cert))
    certificate.private_key_pem.write_to_path(str(slapd.tls_key))


def copy_with_slapd(provider: Slapd) -> Run:
    """Copy a provider with slapd's own consumer into mdb without fsync, until its contextCSN is the provider's."""
    syncrepl = (
        f'syncrepl rid=001 provider={provider.url} type=refreshOnly interval=00:01:00:00 retry="1 +"\n'
        f'  searchbase="{provider.suffix}" bindmethod=simple binddn="{provider.rootdn}" credentials={provider.rootpw}'
    )
    wanted = _context_csns(provider)
    with Slapd(sync_provider=False, extra_database=syncrepl) as consumer:
        started = time.perf_counter()
        consumer.start()
        while _context_csns(consumer) != wanted:
            time.sleep(_LOOK_EVERY)
        wall = time.perf_counter() - started
        process = Path(f"/proc/{consumer.pid}")
        ticks = process.joinpath("stat").read_text().rpartition(")")[2].split()[11:13]
        peak = re.search(r"VmHWM:\s+(\d+)", process.joinpath("status").read_text())
        cpu = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
        return Run(wall, cpu, int(peak[1]) / 1024 if peak else 0.0)


def _context_csns(server: Slapd) -> list[str]:
    command = ["ldapsearch", "-x", "-LLL", "-H", server.url, "-b", server.suffix, "-s", "base", "contextCSN"]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return sorted(line for line in found.splitlines() if line.startswith("contextCSN"))
