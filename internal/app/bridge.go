package app

import (
	"net/http"
	"net/url"
	"strings"

	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/legacy/httpbridge"
)

// newBridge is the bridge of a running application.
func (a *App) newBridge(cfg *config.Config, secrets []keyring.Secret) (*httpbridge.Bridge, error) {
	c := bridgeConfig(cfg, secrets)
	c.Clock, c.Rand, c.Observe = a.opts.Clock, a.opts.Rand, bridgeCall(a.telemetry.Metrics)
	return httpbridge.New(c)
}

// bridgeConfig makes calls look as if they came through the edge: with the site's own Host, which Django
// checks, and the scheme that browsers use, so that a site which insists on https answers them.
func bridgeConfig(cfg *config.Config, secrets []keyring.Secret) httpbridge.Config {
	header := http.Header{}
	header.Set("X-Forwarded-Proto", "http")
	if cfg.Public.Secure() {
		header.Set("X-Forwarded-Proto", "https")
	}
	host := ""
	if public, err := url.Parse(cfg.Public.URL); err == nil {
		host = public.Host
	}
	return httpbridge.Config{
		URL:     strings.TrimSuffix(strings.TrimSuffix(cfg.Legacy.Bridge.URL, "/"), config.BridgePath),
		Host:    host,
		KeyID:   int(secrets[0].ID),
		Secret:  secrets[0].Bytes,
		Timeout: cfg.Legacy.Bridge.Timeout.D(),
		Header:  header,
	}
}
