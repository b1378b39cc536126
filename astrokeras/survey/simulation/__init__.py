"""The parts of `survey.simulate`: what is in the sky, its light, the telescope, and the catalogue's photometry."""
