"""Whatever happens to directory and client, the copy becomes what the directory holds."""
