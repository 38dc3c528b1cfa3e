package edge

import (
	"net/http"
	"strings"
)

// ours reports whether a header name is one that only Crossfade may say, in any spelling that some
// server between here and the application might read as "Crossfade-…": CGI and WSGI fold case and turn
// "-" into "_".
func ours(name string) bool {
	const prefix = "crossfade"
	if len(name) <= len(prefix) || (name[len(prefix)] != '-' && name[len(prefix)] != '_') {
		return false
	}
	return strings.EqualFold(name[:len(prefix)], prefix)
}

// forwarding are the request headers with which a client could claim to be a proxy, or ask an upstream
// to believe in another path than the one that was judged. The edge writes its own.
func forwarding(name string) bool {
	const family = "X-Forwarded"
	if name == "" {
		return false
	}
	switch name[0] | 0x20 {
	case 'f':
		return sameHeader(name, "Forwarded")
	case 'x':
		return (len(name) > len(family) && sameHeader(name[:len(family)], family)) || sameHeader(name, "X-Real-Ip") ||
			sameHeader(name, "X-Original-Url") || sameHeader(name, "X-Rewrite-Url")
	}
	return false
}

// misread are request headers that CGI and WSGI servers take for something else than a header. They turn
// "-" into "_" in names, so a name with "_" passes for one that was judged here; and gunicorn reads
// Script-Name as a prefix of the path, so that access would have been judged on another path. nginx drops
// names with "_" as well.
func misread(name string) bool {
	if strings.IndexByte(name, '_') >= 0 {
		return true
	}
	if name == "" {
		return false
	}
	switch name[0] | 0x20 {
	case 's':
		return sameHeader(name, "Script-Name")
	case 'p':
		return sameHeader(name, "Path-Info")
	case 'r':
		return sameHeader(name, "Remote-User")
	}
	return false
}

func sameHeader(name, want string) bool {
	if len(name) != len(want) {
		return false
	}
	for i := range len(name) {
		a, b := name[i], want[i]
		if a == '_' {
			a = '-'
		}
		if a >= 'A' && a <= 'Z' {
			a |= 0x20
		}
		if b >= 'A' && b <= 'Z' {
			b |= 0x20
		}
		if a != b {
			return false
		}
	}
	return true
}

// stripRequest takes out what a browser may not say: Crossfade's names, what applications would misread,
// and that it is a proxy. It reports whether there was a header of the first two kinds.
//
// Names listed in Connection would make a proxy remove headers that come after us: all but the few that
// mean something on this hop are taken out of the list.
func stripRequest(h, trailer http.Header) (forged bool) {
	for name := range h {
		switch {
		case ours(name), misread(name):
			delete(h, name)
			forged = true
		case forwarding(name):
			delete(h, name)
		}
	}
	for name := range trailer {
		if ours(name) || misread(name) {
			delete(trailer, name)
			forged = true
		}
	}
	upgrade := keepUpgrade(h)
	if connection := h["Connection"]; len(connection) > 0 {
		if kept := hopTokens(connection, upgrade); kept == "" {
			delete(h, "Connection")
		} else if len(connection) > 1 || connection[0] != kept {
			h["Connection"] = []string{kept}
		}
	}
	if baggage, ok := h["Baggage"]; ok {
		if kept := stripBaggage(baggage); len(kept) == 0 {
			delete(h, "Baggage")
		} else {
			h["Baggage"] = kept
		}
	}
	return forged
}

// keepUpgrade leaves nothing but a wish for a WebSocket. Any other protocol, h2c above all, would be a
// tunnel to the upstream past everything that is judged here.
func keepUpgrade(h http.Header) bool {
	delete(h, "Http2-Settings")
	values, ok := h["Upgrade"]
	if !ok {
		return false
	}
	if len(values) == 1 && strings.EqualFold(strings.TrimSpace(values[0]), webSocket) {
		return true
	}
	delete(h, "Upgrade")
	return false
}

const webSocket = "websocket"

// hopTokens keeps the Connection options that mean something to net/http.
func hopTokens(lines []string, upgrade bool) string {
	if len(lines) == 1 {
		switch lines[0] {
		case "keep-alive", "close":
			return lines[0]
		case "Upgrade", "upgrade", "keep-alive, Upgrade":
			if upgrade {
				return lines[0]
			}
		}
	}
	var kept []string
	for _, line := range lines {
		for token := range strings.SplitSeq(line, ",") {
			token = strings.TrimSpace(token)
			for _, known := range []string{"keep-alive", "close", "upgrade", "te"} {
				if strings.EqualFold(token, known) && (upgrade || known != "upgrade") {
					kept = append(kept, token)
				}
			}
		}
	}
	return strings.Join(kept, ", ")
}

// stripBaggage takes members named crossfade-* out of W3C baggage: they would mark a request as test
// traffic, which nobody outside may. Other members stay as they are.
func stripBaggage(lines []string) []string {
	clean := true
	for _, line := range lines {
		clean = clean && !strings.Contains(strings.ToLower(line), "crossfade")
	}
	if clean {
		return lines
	}
	var out []string
	for _, line := range lines {
		var kept []string
		for member := range strings.SplitSeq(line, ",") {
			key, _, _ := strings.Cut(member, "=")
			if name := decodeRepeatedly(strings.TrimSpace(key)); !ours(strings.TrimSpace(name)) {
				kept = append(kept, member)
			}
		}
		if len(kept) > 0 {
			out = append(out, strings.Join(kept, ","))
		}
	}
	return out
}

// stripResponse takes every Crossfade header out of a response: what the edge has to say it says itself.
// The two that a trusted upstream may say are returned; what else was there is reported.
func stripResponse(h, trailer http.Header) (handoff, end string, others bool) {
	for name, values := range h {
		if !ours(name) {
			continue
		}
		switch {
		case name == "Crossfade-Session" && len(values) == 1:
			handoff = values[0]
		case name == "Crossfade-Session-End" && len(values) > 0:
			end = values[0]
		default:
			others = true
		}
		delete(h, name)
	}
	for name := range trailer {
		if ours(name) {
			delete(trailer, name)
			others = true
		}
	}
	return handoff, end, others
}
