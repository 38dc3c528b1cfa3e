package edge

import (
	"context"
	"errors"
	"net/http"
	"net/http/httputil"
	"strings"

	"crossfade.dev/crossfade/edge/handover"
	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/rollout"
)

// httpRequest is the view of a net/http request.
type httpRequest struct{ r *http.Request }

func (h httpRequest) Method() string { return h.r.Method }
func (h httpRequest) Host() string   { return h.r.Host }
func (h httpRequest) Path() string   { return h.r.URL.EscapedPath() }
func (h httpRequest) Query() string  { return h.r.URL.RawQuery }

func (h httpRequest) Header(name string) string {
	if v := h.r.Header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func (h httpRequest) Values(name string) []string { return h.r.Header[name] }

// trip is one request on net/http: the passage, its response writer, and the proxy that takes it to the
// upstream. It is the ResponseWriter that the proxy sees, to keep informational responses clean.
type trip struct {
	http.ResponseWriter
	passage
	r        *http.Request
	upstream *upstream
	status   int
	context  string     // signed
	body     *bodyGuard // nil: there is none
	posted   posted
	proxy    httputil.ReverseProxy
	lines    [8]string // backing of one-line headers, which saves an allocation each
}

// Unwrap lets http.ResponseController reach the real writer, for flushing and hijacking.
func (t *trip) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// WriteHeader takes down the status. An informational response passes without cookies and without what
// only Crossfade may say: the browser would not keep the one, and should not see the other.
func (t *trip) WriteHeader(status int) {
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		h := t.ResponseWriter.Header()
		stripResponse(h, nil)
		delete(h, "Set-Cookie")
	} else if t.status == 0 {
		t.status = status
	}
	t.ResponseWriter.WriteHeader(status)
}

// ServeHTTP takes one request through all steps of DESIGN.md section 4.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := &trip{ResponseWriter: w, r: r}
	p := &t.passage
	p.e, p.req, p.now, p.id, p.standing = e, httpRequest{r}, e.deps.Clock(), e.requestID(), e.standings.now()
	defer t.served()
	t.peer = e.forwarded(r)
	if !t.rightHost() {
		return
	}
	if stripRequest(r.Header, r.Trailer) {
		p.count(CountForged)
	}
	path := r.URL.EscapedPath()
	if forbidden(path) {
		t.own(path)
		return
	}
	if strings.EqualFold(r.Method, http.MethodTrace) {
		t.refuse(noTrace(t.Header()))
		return
	}
	sent := path
	path, ok := canonical(sent)
	if !ok {
		t.refuse(badRequest())
		return
	}
	if p.route = e.find(p.req, path); p.route == nil {
		t.refuse(notFound())
		return
	}
	if e.hidesLogin(p.req, p.route, sent, path) {
		p.route = nil
		t.refuse(badRequest())
		return
	}
	if !t.rightSize() {
		return
	}
	if p.route.Callback && t.callBack() {
		return
	}
	ctx := r.Context()
	switch {
	case p.route.Plain:
		p.jar.read(p.req.Values("Cookie"), &e.cookies.names)
		t.upstream = p.route.to(rollout.Legacy)
		t.pass()
		return
	case p.route.Tools:
		p.useTools(ctx)
	default:
		p.judge(ctx, e.isEntry(p.req, p.route))
	}
	t.forward(ctx)
}

// judge takes the passage to its verdict.
func (p *passage) judge(ctx context.Context, entry bool) {
	p.e.begin(ctx, p, entry)
	p.resolve(ctx)
	if p.bindMagic(ctx) {
		p.govern()
	}
	p.readTicket()
	p.cross(ctx)
	p.settle()
	p.describe()
	p.tell()
}

// tell reports the verdict where systems or cookies could change.
func (p *passage) tell() {
	if !p.entry && !p.killed {
		return
	}
	plan := &p.verdict.plan
	if plan.Reason == handover.ReasonConflict || plan.Reason == handover.ReasonConflictOld {
		p.count(CountConflict)
	}
	p.e.obs.Crossed(Crossed{
		System: plan.System, As: plan.As, Reason: plan.Reason, Decision: p.decision.Reason, Arm: p.arm(),
		Killed: p.killed, Frozen: p.frozen, Changed: plan.Token != 0 || plan.Legacy != 0,
	})
}

// own answers Crossfade's own paths: exactly two exist.
func (t *trip) own(path string) {
	t.abandonBody()
	switch {
	case path == handshakePath:
		t.shakeHands()
	case path == clientPath && t.e.deps.Client != nil:
		t.e.deps.Client.ServeHTTP(t, t.r)
	default:
		t.count(CountForbiddenPath)
		t.refuse(notFound())
	}
}

// refuse answers in the upstream's place, with the cookies that the verdict asks for.
func (t *trip) refuse(d *denial) {
	t.abandonBody()
	h := t.Header()
	if t.claims.System != "" {
		t.write(h, false)
	}
	h["Crossfade-Request"] = []string{t.id}
	h["Crossfade-Epoch"] = t.standing.line(t.verdict.plan.System)
	d.answer(t, t.req, t.id)
}

// forward takes the request to its upstream, if it may pass.
func (t *trip) forward(ctx context.Context) {
	e := t.e
	t.upstream = t.route.to(t.verdict.plan.System)
	if t.tools.active {
		t.upstream = t.route.to(rollout.Legacy)
	} else if d := t.admit(ctx, t.upstream); d != nil {
		t.refuse(d)
		return
	}
	t.claims.Audience = t.upstream.audience
	if err := t.sign(); err != nil {
		e.deps.Log.Error("context could not be signed", "request", t.id, "error", err)
		t.refuse(failure(err))
		return
	}
	t.pass()
}

// sign makes the context that goes upstream.
func (t *trip) sign() error {
	var last *contextjwt.Signed
	if t.seen != nil {
		last = t.seen.context.Load()
	}
	signed, err := t.e.deps.Contexts.SignAfter(last, &t.claims)
	if err != nil {
		return err
	}
	t.context = signed.Token
	if t.seen != nil && signed != last {
		t.seen.context.Store(signed)
	}
	return nil
}

// pass proxies the request.
func (t *trip) pass() {
	if t.r.ContentLength != 0 && t.r.ProtoMajor == 1 {
		// Without this net/http reads the whole body before it writes a response, so that an upstream could
		// not answer while it is still being sent to. Where it is not supported nothing is lost.
		_ = http.NewResponseController(t.ResponseWriter).EnableFullDuplex()
	}
	t.guardBody()
	t.proxy = httputil.ReverseProxy{
		Rewrite: t.rewrite, ModifyResponse: t.respond, ErrorHandler: t.fail,
		Transport: t.upstream.transport, BufferPool: &t.e.buffers, ErrorLog: t.e.errorLog,
	}
	t.proxy.ServeHTTP(t, t.r)
}

// rewrite makes the request that the upstream gets. What net/http's proxy has removed by now is what the
// client named in Connection; all of ours is added after that.
func (t *trip) rewrite(pr *httputil.ProxyRequest) {
	out, h := pr.Out, pr.Out.Header
	out.URL.Scheme, out.URL.Host = t.upstream.scheme, t.upstream.host
	out.Host = pr.In.Host
	out.URL.RawQuery = pr.In.URL.RawQuery // byte for byte: no decision rests on it
	if t.context != "" {
		t.line(h, 0, "Crossfade-Context", t.context)
		if t.tellsVisitor() {
			t.line(h, 1, "Crossfade-Visitor", t.vid)
		}
	}
	t.line(h, 2, "Crossfade-Request", t.id)
	t.line(h, 3, "X-Forwarded-For", t.peer.client)
	t.line(h, 4, "X-Forwarded-Proto", t.peer.proto)
	t.line(h, 5, "X-Forwarded-Host", pr.In.Host)
	key, unjudged := "", false
	if t.upstream.legacy {
		key, unjudged = t.verdict.key, t.verdict.unjudged
	}
	if t.jar.foreign || key != "" {
		if cookie := rebuild(pr.In.Header["Cookie"], &t.e.cookies.names, key, unjudged, t.verdict.ended...); cookie != "" {
			t.line(h, 6, "Cookie", cookie)
		} else {
			delete(h, "Cookie")
		}
	} else if lines := pr.In.Header["Cookie"]; lines != nil {
		h["Cookie"] = lines
	}
	t.posted.tellOrigin(h)
	if !safe(out.Method) && out.Body == nil && (h["Idempotency-Key"] != nil || h["X-Idempotency-Key"] != nil) {
		out.Body = unrepeatable{}
	}
	if len(pr.In.Trailer) > 0 && out.Body != nil {
		out.Trailer = pr.In.Trailer // filled when the body has been read
		out.Body = &trailerGuard{ReadCloser: out.Body, trailer: out.Trailer}
	}
}

// line sets a header to one value without an allocation of its own.
func (t *trip) line(h http.Header, at int, name, value string) {
	t.lines[at] = value
	h[name] = t.lines[at : at+1 : at+1]
}

// fail answers for an upstream that gave no answer.
func (t *trip) fail(_ http.ResponseWriter, r *http.Request, err error) {
	gaveUp, over := t.body.gaveUp()
	if over {
		t.overfull()
		return
	}
	if errors.Is(err, context.Canceled) && t.r.Context().Err() != nil && !gaveUp {
		t.status = 499 // nobody is there to read it; the number is nginx's
		panic(http.ErrAbortHandler)
	}
	d := failure(err)
	if gaveUp {
		d = stalled()
		t.Header().Set("Connection", "close") // what is left of the body would pass for the next request
	}
	t.e.deps.Log.Warn("upstream gave no answer", "request", t.id, "upstream", t.upstream.name, "status", d.status, "path", r.URL.Path, "error", err)
	t.refuse(d)
}

// served tells the observer when all is over.
func (t *trip) served() {
	s := Served{
		ID: t.id, Method: t.r.Method, Status: t.status, Duration: t.e.deps.Clock().Sub(t.now),
		System: t.verdict.plan.System, Arm: t.arm(), Reason: t.verdict.plan.Reason,
	}
	if t.route != nil {
		s.Route = t.route.Path
	}
	if t.upstream != nil {
		s.Upstream = t.upstream.name
	}
	t.e.obs.Served(s)
}
