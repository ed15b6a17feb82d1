"""SASL mechanisms (RFC 4422): what to say to prove who one is, without any input or output."""
