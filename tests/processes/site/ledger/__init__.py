"""A Django project that takes orders, and does to itself what a header of the request names."""
