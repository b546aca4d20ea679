"""A gauge that is computed when it is scraped, so that it grows while everything else stands still."""

import time
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

Times = Mapping[str, float | None]
"""By label value: seconds since the epoch; None for nothing to wait for."""


class SecondsSince(Collector):
    """How long ago something was, for each value of one label; 0 where nothing is waited for."""

    def __init__(
        self,
        name: str,
        documentation: str,
        label: str,
        *,
        clock: Callable[[], float] = time.time,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        """Register the metric.

        Args:
            name: the metric's name.
            documentation: its meaning.
            label: the one label's name.
            clock: seconds since the epoch.
            registry: what exposes it.
        """
        self._name, self._documentation, self._label = name, documentation, label
        self._clock = clock
        self._times: Callable[[], Times] = dict
        registry.register(self)

    def follow(self, times: Callable[[], Times]) -> None:
        """Ask `times` at every scrape, in the scraping thread: it must return what nobody changes any more."""
        self._times = times

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The metric without values."""
        yield GaugeMetricFamily(self._name, self._documentation, labels=[self._label])

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The metric as of now. A timestamp in the future counts as now."""
        now = self._clock()
        family = GaugeMetricFamily(self._name, self._documentation, labels=[self._label])
        for value, since in self._times().items():
            family.add_metric([value], 0.0 if since is None else max(0.0, now - since))
        yield family
