// Package telemetry is how a running Crossfade can be watched: structured logs, and metrics by the
// OpenTelemetry semantic conventions that Prometheus scrapes.
//
// Invariant: no secret and no cookie value gets into a log or a label, labels have a bounded number of
// values whatever browsers send, and counting on the request path neither locks nor allocates once a
// series is known. internal/app makes one and hands its parts to the planes, none of which knows this
// package.
package telemetry

import (
	"context"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
)

// Telemetry owns the metrics of one process.
type Telemetry struct {
	Metrics  *Metrics
	registry *prometheus.Registry
	provider *sdk.MeterProvider
}

// New makes the metrics of one process; version is the program's.
func New(version string) (*Telemetry, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo())
	if err != nil {
		return nil, fmt.Errorf("make the Prometheus exporter: %w", err)
	}
	provider := sdk.NewMeterProvider(sdk.WithReader(exporter), sdk.WithResource(resource.NewSchemaless(
		attribute.String("service.name", "crossfade"), attribute.String("service.version", version))))
	metrics, err := newMetrics(provider.Meter("crossfade.dev/crossfade"))
	if err != nil {
		return nil, err
	}
	return &Telemetry{Metrics: metrics, registry: registry, provider: provider}, nil
}

// Handler serves /metrics.
func (t *Telemetry) Handler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// Close ends the export. Instruments may still be used; what they count is lost.
func (t *Telemetry) Close(ctx context.Context) error { return t.provider.Shutdown(ctx) }
