"""When each school teaches: its years, terms, holidays and bells as they are stored, edited and imported."""
