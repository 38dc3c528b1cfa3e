package mapping

import "strings"

// Always reports whether a key crosses under its own name whatever a mapping says.
func Always(key string) bool { return alwaysCrosses(key) }

// alwaysCrosses holds for keys that no mapping may hold back, because a login, a login in progress or a
// form that is open would break: Django's login bookkeeping and CSRF token, Crossfade's own notes, and
// the state that the usual OAuth and OpenID Connect packages keep between redirect and callback.
func alwaysCrosses(key string) bool {
	switch key {
	case "_csrftoken", // Django with CSRF_USE_SESSIONS
		"oauth_state",                                 // requests-oauthlib's documentation
		"socialaccount_state", "socialaccount_states", // django-allauth
		"oidc_states", "oidc_nonce", "oidc_login_next", // mozilla-django-oidc
		"partial_pipeline_token",                        // social-auth-app-django
		"account_verified_email", "account_login_stash": // django-allauth, login in several steps
		return true
	}
	return strings.HasPrefix(key, "_auth_user") ||
		strings.HasPrefix(key, "_crossfade") ||
		strings.HasPrefix(key, "_state_") || // Authlib: _state_<provider>_<state>
		isSocialAuthState(key)
}

// isSocialAuthState holds for social-auth-app-django's "<backend>_state" (OAuth 2) and
// "<backend>unauthorized_token_name" (OAuth 1), for backends that say so in their name and for the
// usual ones that do not. A site with another backend and a strict mapping declares its key.
func isSocialAuthState(key string) bool {
	backend, found := strings.CutSuffix(key, "_state")
	if !found {
		backend, found = strings.CutSuffix(key, "unauthorized_token_name")
	}
	if !found {
		return false
	}
	switch backend {
	case "facebook", "github", "gitlab", "apple-id", "keycloak", "auth0", "okta", "discord", "slack", "twitter":
		return true
	}
	return strings.Contains(backend, "oauth") || strings.Contains(backend, "openidconnect") || strings.Contains(backend, "oidc")
}
