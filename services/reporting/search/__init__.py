"""Search for cases by name, birth date, telephone, school, reference or crime number (docs/adr/0024-search-tokens-in-memory.md)."""
