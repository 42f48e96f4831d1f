"""The kernel: event-sourced services from a declaration. It knows streams, homes and labels, and no word of the trade."""
