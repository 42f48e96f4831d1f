"""Officers' pages: my day, cases, records, papers, registers, conferences."""
