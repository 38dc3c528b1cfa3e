package telemetry

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// Metrics are all instruments of a process. Methods are safe for concurrent use, and take text that the
// program chose, never text that a browser sent, except where it says so.
type Metrics struct {
	requests   *Timer
	entries    *Counter
	handovers  *Counter
	operations *Timer
	conflicts  *Counter
	lost       *Counter
	events     *Counter
	exposures  *Counter
	steps      *Counter
	bridge     *Timer
	shed       *Counter
	left       *Counter
	undeclared *Counter
	attributes *Counter
	contexts   *Counter
	calls      *Timer
	lag        *Timer
	unwatched  *Counter
	through    *Counter
	reused     *Counter
	meter      metric.Meter
}

func newMetrics(m metric.Meter) (*Metrics, error) {
	k := &meter{Meter: m}
	out := &Metrics{
		meter: m,
		requests: k.timer("http.server.request.duration", "Duration of HTTP server requests.",
			"http.request.method", "url.scheme", "http.response.status_code", "http.route", "crossfade.system", "crossfade.arm"),
		entries: k.counter("crossfade.visitors", "{visit}", "Entry requests by the system that governs and why.",
			"crossfade.system", "crossfade.reason"),
		handovers: k.counter("crossfade.handovers", "{verdict}", "What became of sessions at entry requests, and why.",
			"crossfade.outcome", "crossfade.reason"),
		operations: k.timer("crossfade.handover.operation.duration", "Duration of what a handover asks of the bridge and the session store.",
			"crossfade.operation", "crossfade.outcome"),
		conflicts: k.counter("crossfade.cookie.conflicts", "{conflict}", "Requests with session cookies that contradict each other.",
			"crossfade.kind"),
		lost: k.counter("crossfade.logins.lost", "{login}", "Visitors who were logged in and are guests now, without having logged out.",
			"crossfade.arm"),
		events: k.counter("crossfade.events", "{event}", "What the edge refused or noticed, by name.",
			"crossfade.event"),
		exposures: k.counter("crossfade.exposures", "{visitor}", "Visitors who met the rollout for the first time in its epoch.",
			"crossfade.arm", "crossfade.confirmed"),
		steps: k.counter("crossfade.steps", "{visitor}", "Visitors who reached a step of the funnel for the first time.",
			"crossfade.step", "crossfade.arm"),
		bridge: k.timer("crossfade.bridge.call.duration", "Duration of calls to the legacy bridge.",
			"crossfade.method", "crossfade.outcome"),
		shed: k.counter("crossfade.bridge.shed", "{call}", "Bridge calls that were not made.",
			"crossfade.method", "crossfade.reason"),
		left: k.counter("crossfade.bridge.left_behind", "{value}", "Session values that could not cross, by key and reason.",
			"crossfade.key", "crossfade.reason"),
		undeclared: k.counter("crossfade.mapping.undeclared", "{value}", "Session values that crossed, or stayed, without a rule of the mapping.",
			"crossfade.key"),
		attributes: k.counter("crossfade.session.attributes", "{value}", "Session values that a rule of the registry refused, took away or only noticed, by owner.",
			"crossfade.owner", "crossfade.event"),
		contexts: k.counter("crossfade.contexts.refused", "{context}", "Contexts that were presented to the session API and refused.",
			"crossfade.reason"),
		calls: k.timer("crossfade.api.call.duration", "Duration of calls of the session and admin API.",
			"rpc.service", "rpc.method", "http.response.status_code"),
		lag: k.timer("crossfade.session.revocation.lag",
			"How old this process's knowledge of other processes' ends had become at each sign of life of the shared session store."),
		unwatched: k.counter("crossfade.session.watch.lost", "{loss}", "How often the watch of the shared session store was lost."),
		through:   k.counter("crossfade.session.read_throughs", "{read}", "Questions to the session store about marks, because memory could not be believed or a route is strict."),
		reused: k.counter("crossfade.session.secrets.reused", "{presentation}", "Presentations of secrets that were replaced: race, retry or theft (a suspicion).",
			"crossfade.class"),
	}
	if k.err != nil {
		return nil, fmt.Errorf("make the instruments: %w", k.err)
	}
	return out, nil
}

// Request is one served request. Route is the route's pattern; an empty field has no label.
type Request struct {
	Method string // as sent; unknown ones count as _OTHER
	Scheme string
	Status int
	Route  string
	System string
	Arm    string
}

// Served records a request that is done.
func (m *Metrics) Served(r Request, d time.Duration) {
	m.requests.record(d, values{knownMethod(r.Method), r.Scheme, status(r.Status), r.Route, r.System, r.Arm})
}

// Entry counts an entry request by the system that governs it, and the rollout's reason.
func (m *Metrics) Entry(system, reason string) { m.entries.add(1, values{system, reason}) }

// Handover counts what became of a session at a request where systems may change.
func (m *Metrics) Handover(outcome, reason string) { m.handovers.add(1, values{outcome, reason}) }

// Operation records one thing that a handover asked of the bridge or the session store.
func (m *Metrics) Operation(name, outcome string, d time.Duration) {
	m.operations.record(d, values{name, outcome})
}

// CookieConflict counts a request whose session cookies contradict each other.
func (m *Metrics) CookieConflict(kind string) { m.conflicts.add(1, values{kind}) }

// LostLogin counts a visitor who was logged in and is not any more, by the arm that it happened in.
func (m *Metrics) LostLogin(arm string) { m.lost.add(1, values{arm}) }

// Event counts what has a name and no other property.
func (m *Metrics) Event(name string) { m.events.add(1, values{name}) }

// Exposure counts a visitor's first meeting with the rollout, and once more when it is confirmed.
func (m *Metrics) Exposure(arm string, confirmed bool) {
	m.exposures.add(1, values{arm, strconv.FormatBool(confirmed)})
}

// Step counts a visitor's first arrival at a step of the funnel.
func (m *Metrics) Step(step uint8, arm string) { m.steps.add(1, values{strconv.Itoa(int(step)), arm}) }

// BridgeCall records one finished call of the bridge.
func (m *Metrics) BridgeCall(method, outcome string, d time.Duration) {
	m.bridge.record(d, values{method, outcome})
}

// BridgeShed counts a call that was not made.
func (m *Metrics) BridgeShed(method, reason string) { m.shed.add(1, values{method, reason}) }

// LeftBehind counts a session value that could not cross. The key is the legacy application's own; past
// the bound of series new ones count together.
func (m *Metrics) LeftBehind(key, reason string) { m.left.add(1, values{key, reason}) }

// Undeclared counts a session value that no rule of the mapping is about. Keys are bounded as above.
func (m *Metrics) Undeclared(key string) { m.undeclared.add(1, values{key}) }

// Attributes counts session values by the owner that the registry names and what a rule did about them.
func (m *Metrics) Attributes(owner, event string, n int) {
	m.attributes.add(int64(n), values{owner, event})
}

// ContextRefused counts a context that was presented and not believed.
func (m *Metrics) ContextRefused(reason string) { m.contexts.add(1, values{reason}) }

// Call records one finished API call by the HTTP status that it was answered with.
func (m *Metrics) Call(service, method string, code int, d time.Duration) {
	m.calls.record(d, values{service, method, status(code)})
}

// RevocationLag records how old a process's knowledge of what others ended had become.
func (m *Metrics) RevocationLag(d time.Duration) { m.lag.record(d, values{}) }

// WatchLost counts a loss of the session store's watch.
func (m *Metrics) WatchLost() { m.unwatched.add(1, values{}) }

// ReadThrough counts a question to the session store that memory could not answer.
func (m *Metrics) ReadThrough() { m.through.add(1, values{}) }

// SecretReused counts the presentation of a replaced secret.
func (m *Metrics) SecretReused(class string) { m.reused.add(1, values{class}) }

// Gauge publishes a number that is read when somebody scrapes; read must be cheap and safe for
// concurrent use.
func (m *Metrics) Gauge(name, unit, description string, read func() float64) error {
	_, err := m.meter.Float64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description),
		metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			o.Observe(read())
			return nil
		}))
	if err != nil {
		return fmt.Errorf("make gauge %s: %w", name, err)
	}
	return nil
}

func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace, "QUERY":
		return method
	case "":
		return http.MethodGet
	}
	return "_OTHER"
}

// status avoids making a string per request for the codes that there are.
func status(code int) string {
	switch code {
	case 200:
		return "200"
	case 304:
		return "304"
	case 302:
		return "302"
	case 404:
		return "404"
	case 0:
		return ""
	}
	if code < 100 || code > 599 {
		return other
	}
	return strconv.Itoa(code) // one small allocation, on the rarer answers
}
