"""The traps as OpenLDAP sets them: each with a real slapd, and a copy that is compared with it after each step."""
