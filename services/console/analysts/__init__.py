"""Analysts' pages: measures, charts, workbooks, frozen returns."""
