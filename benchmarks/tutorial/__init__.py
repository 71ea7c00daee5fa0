"""The shapes of the tutorials, written as well as they can be: what the product is compared with."""
