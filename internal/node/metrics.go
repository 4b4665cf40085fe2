package node

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/koyomi-cal/koyomi/internal/connector"
)

// Collector returns the connector's numbers for Prometheus. Their labels are
// fixed words; no number is one mailbox's.
func (n *Node) Collector() prometheus.Collector {
	c := &collector{connector: n.connector}
	value := func(kind prometheus.ValueType, name, help string, of func(connector.Metrics) float64) {
		c.values = append(c.values, metric{prometheus.NewDesc("koyomi_"+name, help, nil, nil), kind, of})
	}
	counter := func(name, help string, of func(connector.Metrics) int64) {
		value(prometheus.CounterValue, name, help, func(m connector.Metrics) float64 { return float64(of(m)) })
	}
	gauge := func(name, help string, of func(connector.Metrics) int) {
		value(prometheus.GaugeValue, name, help, func(m connector.Metrics) float64 { return float64(of(m)) })
	}
	counter("notices_total", "Changes that Exchange told of.", func(m connector.Metrics) int64 { return m.Notices })
	counter("events_total", "Events that were decided on.", func(m connector.Metrics) int64 { return m.Events })
	counter("reads_total", "Items that were read.", func(m connector.Metrics) int64 { return m.Reads })
	counter("views_total", "Calendars that were read as a whole.", func(m connector.Metrics) int64 { return m.Views })
	counter("faults_total", "Requests to Exchange that failed.", func(m connector.Metrics) int64 { return m.Faults })
	counter("published_total", "Entries put into the cloud.", func(m connector.Metrics) int64 { return m.Published })
	counter("withdrawn_total", "Entries taken out of the cloud.", func(m connector.Metrics) int64 { return m.Withdrawn })
	counter("unsent_total", "Entries that could not be put.", func(m connector.Metrics) int64 { return m.Unsent })
	counter("joins_total", "Join details that a meeting service gave.", func(m connector.Metrics) int64 { return m.Joins })
	counter("joins_failed_total", "Join details that a meeting service did not give.", func(m connector.Metrics) int64 { return m.JoinsFailed })
	counter("panics_total", "Faults of the program that were caught.", func(m connector.Metrics) int64 { return m.Panics })
	gauge("mailboxes_pending", "Mailboxes that are not served yet.", func(m connector.Metrics) int { return m.Pending })
	gauge("mailboxes_activated", "Mailboxes that are served.", func(m connector.Metrics) int { return m.Activated })
	gauge("mailboxes_error", "Mailboxes that cannot be served.", func(m connector.Metrics) int { return m.InError })
	gauge("writes_hour", "Writes to calendars in this hour.", func(m connector.Metrics) int { return m.HourWrites })
	gauge("writes_hour_limit", "Writes in an hour that stop all writes.", func(m connector.Metrics) int { return m.LimitWrites })
	gauge("recipients_hour", "People who were mailed in this hour.", func(m connector.Metrics) int { return m.HourRecipients })
	gauge("recipients_hour_limit", "People mailed in an hour that stop all writes.", func(m connector.Metrics) int { return m.LimitRecipients })
	gauge("mailboxes_ready", "Mailboxes that wait for a worker.", func(m connector.Metrics) int { return m.ReadyMailboxes })
	c.writes = prometheus.NewDesc("koyomi_writes_total", "Writes to calendars, by outcome.", []string{"outcome"}, nil)
	return c
}

type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(connector.Metrics) float64
}

type collector struct {
	connector *connector.Connector
	values    []metric
	writes    *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, v := range c.values {
		out <- v.desc
	}
	out <- c.writes
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	m := c.connector.Metrics()
	for _, v := range c.values {
		out <- prometheus.MustNewConstMetric(v.desc, v.kind, v.of(m))
	}
	for outcome, n := range m.Writes {
		out <- prometheus.MustNewConstMetric(c.writes, prometheus.CounterValue, float64(n), outcome)
	}
}
