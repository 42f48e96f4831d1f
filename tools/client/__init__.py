"""A client of a running system over HTTP: tokens, questions, commands, and waiting until all has followed."""
