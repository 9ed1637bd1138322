"""What a drawn photo is made of, low to high: primitives, rendering, floors, wardrobe, trimmings, shoes."""
