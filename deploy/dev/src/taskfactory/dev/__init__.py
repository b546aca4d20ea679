"""The local stack: real Kafka, Temporal and PostgreSQL for development, tests and the demo."""
