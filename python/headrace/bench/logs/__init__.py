"""What is measured of the logs."""
