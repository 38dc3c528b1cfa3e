package telemetry

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// maxLabels is the most labels that an instrument here has, and maxSeries how many combinations of
// values one may show before everything new is counted as "_other".
const (
	maxLabels = 6
	maxSeries = 1000
)

// values are the label values of one series, in the order of the instrument's names.
type values [maxLabels]string

// series remembers the attribute set of each combination of values, ready made. Reading is one atomic
// load and one look-up; a combination that is new copies the map, which happens a few hundred times in
// the life of a process.
type series[O any] struct {
	names []string
	make  func(attribute.Set) O
	known atomic.Pointer[map[values]O]
	grow  sync.Mutex
}

func newSeries[O any](wrap func(attribute.Set) O, names ...string) *series[O] {
	s := &series[O]{names: names, make: wrap}
	s.known.Store(&map[values]O{})
	return s
}

func (s *series[O]) of(v values) O {
	if o, ok := (*s.known.Load())[v]; ok {
		return o
	}
	return s.add(v)
}

func (s *series[O]) add(v values) O {
	s.grow.Lock()
	defer s.grow.Unlock()
	old := *s.known.Load()
	if len(old) >= maxSeries {
		v = values{}
		for i := range s.names {
			v[i] = other
		}
	}
	if o, ok := old[v]; ok {
		return o
	}
	next := maps.Clone(old)
	attrs := make([]attribute.KeyValue, 0, len(s.names))
	for i, name := range s.names {
		if v[i] != "" { // what does not apply has no label, as the conventions want it
			attrs = append(attrs, attribute.String(name, v[i]))
		}
	}
	next[v] = s.make(attribute.NewSet(attrs...))
	s.known.Store(&next)
	return next[v]
}

// other stands for every value beyond the bound.
const other = "_other"

// Counter counts events by their labels.
type Counter struct {
	instrument metric.Int64Counter
	series     *series[[]metric.AddOption]
}

func (c *Counter) add(n int64, v values) {
	c.instrument.Add(context.Background(), n, c.series.of(v)...)
}

// Timer measures how long things take, by their labels.
type Timer struct {
	instrument metric.Float64Histogram
	series     *series[[]metric.RecordOption]
}

func (t *Timer) record(d time.Duration, v values) {
	t.instrument.Record(context.Background(), d.Seconds(), t.series.of(v)...)
}

// meter makes instruments and keeps the first error, so that a list of them reads as a list.
type meter struct {
	metric.Meter
	err error
}

func (m *meter) counter(name, unit, description string, labels ...string) *Counter {
	instrument, err := m.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(description))
	m.keep(err)
	return &Counter{instrument, newSeries(func(s attribute.Set) []metric.AddOption {
		return []metric.AddOption{metric.WithAttributeSet(s)}
	}, labels...)}
}

// buckets in seconds are those that the HTTP conventions advise.
var buckets = [...]float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}

func (m *meter) timer(name, description string, labels ...string) *Timer {
	instrument, err := m.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description),
		metric.WithExplicitBucketBoundaries(buckets[:]...))
	m.keep(err)
	return &Timer{instrument, newSeries(func(s attribute.Set) []metric.RecordOption {
		return []metric.RecordOption{metric.WithAttributeSet(s)}
	}, labels...)}
}

func (m *meter) keep(err error) {
	if m.err == nil {
		m.err = err
	}
}
