"""Service classes (PS3.4): what a SOP class means, on both sides of an association."""
