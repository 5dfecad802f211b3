"""What joins django_dist to other packages: one module each, imported by nobody here."""
