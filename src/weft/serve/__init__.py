"""`weft serve`: many adapters over one frozen encoder, behind HTTP. Needs `weft[serve]`."""
