"""Gauges that are computed when they are scraped, one series for each value of one label."""

import time
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

Times = Mapping[str, float | None]
"""By label value: seconds since the epoch; None for nothing to wait for."""


class ComputedGauge(Collector):
    """A figure for each value of one label; values that are not given have no series."""

    def __init__(self, name: str, documentation: str, label: str, *, registry: CollectorRegistry = REGISTRY) -> None:
        """Register the metric.

        Args:
            name: the metric's name.
            documentation: its meaning.
            label: the one label's name.
            registry: what exposes it.
        """
        self._name, self._documentation, self._label = name, documentation, label
        self._figures: Callable[[], Mapping[str, float]] = dict
        registry.register(self)

    def follow(self, figures: Callable[[], Mapping[str, float]]) -> None:
        """Ask `figures` at every scrape, in the scraping thread: it must return what nobody changes any more."""
        self._figures = figures

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The metric without values."""
        yield GaugeMetricFamily(self._name, self._documentation, labels=[self._label])

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The metric as of now."""
        family = GaugeMetricFamily(self._name, self._documentation, labels=[self._label])
        for value, figure in self._figures().items():
            family.add_metric([value], figure)
        yield family


class SecondsSince(ComputedGauge):
    """How long ago something was: it grows while everything else stands still; 0 where nothing is waited for."""

    def __init__(
        self,
        name: str,
        documentation: str,
        label: str,
        *,
        clock: Callable[[], float] = time.time,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        """Register the metric, see `ComputedGauge`; `clock` gives seconds since the epoch."""
        super().__init__(name, documentation, label, registry=registry)
        self._clock = clock

    def follow_times(self, times: Callable[[], Times]) -> None:
        """Ask `times` at every scrape, as `follow` does. A timestamp in the future counts as now."""

        def ages() -> Mapping[str, float]:
            now = self._clock()
            return {value: 0.0 if since is None else max(0.0, now - since) for value, since in times().items()}

        self.follow(ages)
