"""The Django project of the example: settings, addresses and the two server entries."""
