"""What the API answers from the tables: cases, lists, the daily sheet, timelines, and how fresh an answer is."""
