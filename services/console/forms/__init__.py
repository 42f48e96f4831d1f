"""The form of any command, drawn from its JSON Schema; check, reasons and sending."""
