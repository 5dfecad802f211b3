"""The shop's pages: each guarded view stands beside the same view without the guard."""
