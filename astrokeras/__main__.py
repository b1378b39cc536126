"""`python -m astrokeras` equals `astrokeras`."""

from astrokeras.cli import main

main()
