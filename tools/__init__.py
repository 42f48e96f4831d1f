"""Tools around the product: servers on a bare machine, scenarios, the reference pages."""
