"""Starting a system on this machine, looking at it, and filling it with made-up cases."""
