"""The trained networks in use: two photos, a folder of shoes, a web page, other programs."""
