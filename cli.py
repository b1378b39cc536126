"""Run astrokeras from a checkout: `python cli.py convert …` equals `astrokeras convert …`."""

from astrokeras.cli import main

if __name__ == "__main__":
    main()
