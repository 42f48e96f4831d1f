"""The projection: events of all services folded by stream into reporting's tables, live and as of any time."""
