"""The command ``syncrepl-client``: its options, what it prints, and a demonstration.

It uses the package as any program would, through ``Replica`` and a listener; nothing imports it.
"""
