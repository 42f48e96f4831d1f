"""The web console: pages for people, drawn from what the services' APIs answer to the person's own token."""
