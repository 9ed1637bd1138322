"""Files handed in -> accepted, decoded, split: scanning, decoding, quality, rules, duplicates, splits."""
