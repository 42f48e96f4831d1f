"""From a declaration to running processes: settings, schema, topics, API and worker."""
