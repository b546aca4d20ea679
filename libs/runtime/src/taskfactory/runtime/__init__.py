"""What every taskfactory process shares: settings, logs, health endpoints, orderly shutdown."""
