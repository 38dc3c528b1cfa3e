package control

import "strings"

// Site is what a finish needs to know of a site to say what can be removed from it.
type Site struct {
	LegacyCookie string   // name of the legacy session cookie
	Bridge       string   // address of the legacy application
	ToolPaths    []string // internal tools that stay on legacy sessions
}

// Removable lists what a site no longer needs once the new system is final, in the order in which it is
// safe to remove. What has to be waited for comes first and begins with "first: "; what is still needed is named
// too and begins with "keep: ": removing too much logs people out, and where internal
// tools stay on legacy sessions, which the bridge makes, it locks the staff out.
func Removable(s Site) []string {
	code := "monolith, code: whatever reads the cookie " + s.LegacyCookie + " by itself"
	middleware := "keep: the session middleware of crossfade.django, as long as the monolith serves pages"
	first := "first: wait until the last legacy session has expired: until then a returning visitor is still exchanged"
	if len(s.ToolPaths) > 0 {
		tools := strings.Join(s.ToolPaths, ", ")
		return []string{
			first,
			code + ", outside of " + tools,
			"keep: the bridge to " + s.Bridge + " (section legacy) and its endpoints in urls.py, which give staff their sessions at " + tools,
			"keep: the table django_session, the SESSION_* settings, clearsessions and the tables of crossfade.django: the sessions at " + tools + " live there",
			middleware,
		}
	}
	return []string{
		first,
		"configuration: the bridge to " + s.Bridge + " (section legacy), and the ticket and restore settings",
		"monolith, settings.py: SESSION_COOKIE_AGE and the other SESSION_* settings; CROSSFADE bridge settings",
		"monolith, urls.py: the bridge endpoints /_crossfade/bridge/v1/inspect, exchange, restore and end",
		"monolith, cron: clearsessions",
		code,
		"monolith, database: the tables of crossfade.django that keep legacy keys, nonces and tombstones",
		"monolith, database: table django_session",
		middleware,
	}
}
