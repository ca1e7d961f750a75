//! Pages: from a grey image to text lines in reading order, and from recognised text to the formats of others.
