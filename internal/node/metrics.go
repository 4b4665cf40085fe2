package node

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/koyomi-cal/koyomi/internal/connector"
	"github.com/koyomi-cal/koyomi/internal/exchange"
)

// Collector returns the connector's numbers for Prometheus, and the decisions
// of the scheduler of requests to Exchange. Their labels are fixed words and the
// names of mailbox servers; no number is one mailbox's.
func (n *Node) Collector() prometheus.Collector {
	c := &collector{connector: n.connector, exchange: n.exchange}
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
	requests := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("koyomi_exchange_"+name, help, labels, nil)
	}
	c.limit = requests("requests_limit", "Requests that a mailbox server is given at once.", "server")
	c.inFlight = requests("requests_in_flight", "Requests to a mailbox server that are under way.", "server")
	c.batch = requests("batch_size", "Items that are asked of a mailbox server in one request.", "server")
	c.queued = requests("requests_queued", "Requests that wait for their turn, by priority.", "priority")
	c.held = requests("mailboxes_held", "Mailboxes that the server asked to leave alone for now.")
	c.halvings = requests("halvings_total", "Times that a mailbox server was given half as much to do.")
	c.backOffs = requests("back_offs_total", "Times that a server asked to be left alone.")
	c.standby = requests("standby", "1 while the second service account is used because the first is refused, else 0.")
	return c
}

type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(connector.Metrics) float64
}

type collector struct {
	connector *connector.Connector
	exchange  *exchange.Exchange
	values    []metric
	writes    *prometheus.Desc

	limit, inFlight, batch, queued, held, halvings, backOffs, standby *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, v := range c.values {
		out <- v.desc
	}
	for _, d := range []*prometheus.Desc{c.writes, c.limit, c.inFlight, c.batch, c.queued, c.held, c.halvings, c.backOffs, c.standby} {
		out <- d
	}
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
	c.requests(out)
}

// requests collects what the scheduler decided.
func (c *collector) requests(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	s := c.exchange.Requests()
	queued := map[string]int{"live": 0, "soon": 0, "load": 0, "background": 0}
	for _, server := range s.Servers {
		gauge(c.limit, server.Limit, server.Server)
		gauge(c.inFlight, server.InFlight, server.Server)
		gauge(c.batch, server.Batch, server.Server)
		for p, n := range server.QueuedBy() {
			queued[p] += n
		}
	}
	for p, n := range queued {
		gauge(c.queued, n, p)
	}
	gauge(c.held, s.Held)
	onStandby := 0
	if c.exchange.OnStandby() {
		onStandby = 1
	}
	gauge(c.standby, onStandby)
	out <- prometheus.MustNewConstMetric(c.halvings, prometheus.CounterValue, float64(s.Halvings))
	out <- prometheus.MustNewConstMetric(c.backOffs, prometheus.CounterValue, float64(s.BackOffs))
}
