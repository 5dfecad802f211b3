"""The parts of demo.py: servers, killer, proxy, clients, and the table at the end."""
