"""The service: one process that keeps copies in step and delivers their changes, and what operators see of it."""
