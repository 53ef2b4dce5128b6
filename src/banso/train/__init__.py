"""Training: Lightning modules around the plain networks, one fit function each, export."""
