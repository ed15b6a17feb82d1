"""The LDAPv3 codec: octets to messages and back, names, filters and URLs.  Pure: no input or output."""
