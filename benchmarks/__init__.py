"""How fast the product's own code is beside what the machine could do: see docs/performance.md."""
