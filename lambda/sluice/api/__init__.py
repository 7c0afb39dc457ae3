"""The API over HTTP: what its functions have in common, and what they ask and answer."""
