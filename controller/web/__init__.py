"""Pages: Jinja templates, own CSS and JS, the live stream."""
