"""The traps of 389 Directory Server, and of FreeIPA, which has it inside."""
