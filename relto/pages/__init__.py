"""What people see: the views of a node as pages and as JSON, with the words that lead."""
