"""The reference pages, written from the declarations: what is in the code is what they say."""
