package control

import "strings"

// Site is what a finish needs to know of a site to say what can be removed from it.
type Site struct {
	LegacyCookie string   // name of the legacy session cookie
	Bridge       string   // address of the legacy application
	ToolPaths    []string // internal tools that stay on legacy sessions
}

// Removable lists what a site no longer needs once the new system is final, in the order in which it is
// safe to remove. What is still needed is named too: removing too much logs people out.
func Removable(s Site) []string {
	out := []string{
		"configuration: the bridge to " + s.Bridge + " (section legacy), and the ticket and restore settings",
		"monolith, settings.py: SESSION_COOKIE_AGE and the other SESSION_* settings; CROSSFADE bridge settings",
		"monolith, urls.py: the bridge endpoints /_crossfade/bridge/v1/inspect, exchange, restore and end",
		"monolith, cron: clearsessions",
		"monolith, code: whatever reads the cookie " + s.LegacyCookie + " by itself",
		"monolith, database: the tables of crossfade.django that keep legacy keys, nonces and tombstones",
	}
	if len(s.ToolPaths) == 0 {
		out = append(out, "monolith, database: table django_session")
	} else {
		out = append(out, "keep: the legacy session engine and its table, which serve the internal tools under "+
			strings.Join(s.ToolPaths, ", "))
	}
	out = append(out, "all of this only when the last legacy session has expired: until then a returning visitor is still exchanged")
	return append(out, "keep: the session middleware of crossfade.django, as long as the monolith serves pages")
}
