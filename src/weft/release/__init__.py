"""A model that leaves the house: exported, certified, described, pushed."""
