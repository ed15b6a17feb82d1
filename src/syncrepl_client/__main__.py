"""``python -m syncrepl_client`` is the command ``syncrepl-client``."""

from syncrepl_client.cli.main import main

if __name__ == "__main__":
    main(prog_name="syncrepl-client")
