"""The words that the trade shares: vocabulary, partnership, people, languages."""
