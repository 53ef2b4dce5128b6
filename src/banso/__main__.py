"""`python -m banso`: the command line, where the `banso` script is not on the path."""

from banso.cli import main

main()
