"""The only folder that knows Lightning."""
