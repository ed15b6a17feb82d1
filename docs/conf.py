"""How Sphinx builds the documentation: offline, and every unknown reference is an error."""

from __future__ import annotations

import builtins
import re
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import trap_table

trap_table.write()

project = "syncrepl_client"
author = "the syncrepl_client authors"
project_copyright = f"2026, {author}"
version = release = installed_version("syncrepl")

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
nitpicky = True
html_theme = "alabaster"
html_theme_options = {"description": "A local copy of an LDAP directory", "fixed_sidebar": True}

autodoc_member_order = "bysource"
autodoc_typehints_format = "fully-qualified"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

# Other projects' inventories would have to be fetched, so their names cannot be resolved; ours must be.
_foreign = "|".join(map(re.escape, sorted([*sys.stdlib_module_names, "click", "msgspec", "rich"])))
_builtin = "|".join(map(re.escape, dir(builtins)))
nitpick_ignore_regex = [
    ("py:.*", rf"(?:{_foreign})(?:\..*)?"),
    ("py:.*", rf"(?:{_builtin})"),
    # Names that a module imports for its annotations alone.
    ("py:class", r"UUID|Path|Control|Credentials|Timeouts|LDAPUrl|syncrepl_client\.client\.Client|SupportsUnparse"),
    # What is described with the class that has it as an argument or a result.
    ("py:class", r"Options|Refreshed|Start|Status|Subscription|T"),
    # What a replica is made of.
    ("py:class", r"Opened"),
    # The steps of a script are made by its functions; what they are made of is nobody's business.
    ("py:class", r"Step|Values|Response|syncrepl_client\.testing\.(?:script|wire)\.\w+"),
]
