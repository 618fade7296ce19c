"""What the site needs beyond stock Jupyter Book, one file per job."""
