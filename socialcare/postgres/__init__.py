"""Django's PostgreSQL backend with idle connections kept in the process: ENGINE "socialcare.postgres", for web."""
