"""Envelopes on Kafka: send them and know that they arrived, read them without losing one.

Configuration is librdkafka's own (`bootstrap.servers`, `security.protocol`, …), so whatever cluster it can reach is
reached.
"""

from taskfactory.envelope.kafka.deliveries import FailedDelivery
from taskfactory.envelope.kafka.producer import DeliveryFailed, EnvelopeProducer
from taskfactory.envelope.kafka.subscription import Received, Subscription, subscribe

__all__ = ["DeliveryFailed", "EnvelopeProducer", "FailedDelivery", "Received", "Subscription", "subscribe"]
