"""What needs real processes: races, kills, lost connections, on real servers and stores."""
