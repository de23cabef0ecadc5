"""What caching costs a program."""
