"""Reports: terminal tables, the HTML page, model card, data card and metadata, made from the outputs of the stages."""
