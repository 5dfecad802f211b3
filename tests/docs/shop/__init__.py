"""The project that the pages speak of: an app with orders."""
