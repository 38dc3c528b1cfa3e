package edge

import (
	"encoding/json"
	"net/http"
	"net/url"

	"crossfade.dev/crossfade/edge/handover"
	"crossfade.dev/crossfade/session"
)

// greeting is the handshake's answer. It tells page and server to take the same branch; nothing in it is
// a secret.
type greeting struct {
	System  string `json:"system"`            // new, legacy
	Kind    string `json:"kind"`              // authenticated, guest, none
	Epoch   string `json:"epoch"`             // as in the header Crossfade-Epoch
	Expires int64  `json:"expires,omitempty"` // of the session, Unix seconds
	Reason  string `json:"reason"`
	Reload  bool   `json:"reload,omitempty"` // the page was rendered under another epoch
}

// shakeHands answers GET /_crossfade/handshake: for this site's own pages it is an entry request.
func (t *trip) shakeHands() {
	if t.r.Method != http.MethodGet {
		t.Header().Set("Allow", http.MethodGet)
		t.refuse(&denial{status: http.StatusMethodNotAllowed, code: "method_not_allowed", title: "That does not work here", text: "Ask with GET."})
		return
	}
	if !t.e.mayHandshake(t.req, t.e.originOf(t.req)) {
		t.count(CountCrossSite)
		t.refuse(&denial{status: http.StatusForbidden, code: "cross_origin", title: "Only this site's own pages may ask that", text: "The handshake answers this site's own pages."})
		return
	}
	t.route = t.e.handshake
	t.judge(t.r.Context(), !early(t.req))
	g := t.greet()
	h := t.Header()
	t.write(h, false)
	t.stamp(h, true)
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	body, err := json.Marshal(g)
	if err != nil {
		panic(err) // strings and an integer always marshal
	}
	t.WriteHeader(http.StatusOK)
	_, _ = t.Write(append(body, '\n'))
}

func (t *trip) greet() greeting {
	v := &t.verdict
	g := greeting{System: v.plan.System.String(), Kind: "none", Epoch: t.standing.header[v.plan.System], Reason: string(v.plan.Reason)}
	switch {
	case v.session != nil:
		g.Kind, g.Expires = v.session.Kind.String(), v.session.ExpiresAt.Unix()
		if v.reader {
			g.Kind = session.Guest.String()
		}
	case v.key != "" || v.unjudged:
		g.Kind = session.Guest.String()
		if t.loggedIn(t.r.Context()) {
			g.Kind = session.Authenticated.String()
		}
		if !v.expires.IsZero() {
			g.Expires = v.expires.Unix()
		}
	}
	if v.plan.As == handover.Denied {
		g.Kind = "none"
	}
	if q, err := url.ParseQuery(t.r.URL.RawQuery); err == nil && q.Has("epoch") {
		g.Reload = q.Get("epoch") != g.Epoch
	}
	return g
}
