"""The pool: long-lived worker processes that draw pictures. It knows nothing of personas, tweets, the database or the pages."""
