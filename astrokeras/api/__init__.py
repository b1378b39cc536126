"""What ``import astrokeras`` offers: commands as functions, and what they make as objects."""
