"""Messages as lines for people who look for a fault.  Pure; values of attributes and secrets are left out."""
