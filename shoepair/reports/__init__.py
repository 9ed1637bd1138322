"""Numbers -> what people read: tables of the terminal, the page, the cards, metadata."""
