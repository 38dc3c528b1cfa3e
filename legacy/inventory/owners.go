package inventory

import "strings"

// Owners says whose a key is; known is false for one that nobody has declared.
type Owners func(key string) (owner string, known bool)

// usual are the packages that are known by the names of their keys; a name that ends in * is a beginning.
var usual = []struct{ key, owner string }{
	{"_auth_user_*", "django.contrib.auth"}, {"_password_reset_token", "django.contrib.auth"},
	{"_csrftoken", "django.middleware.csrf"}, {"_session_expiry", "django.contrib.sessions"},
	{"_messages", "django.contrib.messages"}, {"_language", "django.middleware.locale"}, {"django_language", "django.middleware.locale"},
	{"django_timezone", "django"}, {"wizard_*", "django-formtools"}, {"_crossfade", "crossfade"},
	{"socialaccount_*", "django-allauth"}, {"account_*", "django-allauth"}, {"oidc_*", "mozilla-django-oidc"},
	{"social_auth_*", "social-auth-app-django"}, {"partial_pipeline_token", "social-auth-app-django"},
	{"_state_*", "Authlib"}, {"oauth_state", "requests-oauthlib"}, {"otp_device_id", "django-otp"}, {"hijack_*", "django-hijack"},
	{"_impersonate*", "django-impersonate"}, {"filter_*", "django.contrib.admin"}, {"grappelli*", "django-grappelli"},
	{"cms_*", "django-cms"}, {"wagtail*", "wagtail"}, {"lti_*", "an LTI package"}, {"saml_*", "a SAML package"}, {"_saml2_*", "djangosaml2"},
}

// usualOwner is the package that usually has such a key; empty: none that is known here.
func usualOwner(key string) string {
	for _, u := range usual {
		begin, isBegin := strings.CutSuffix(u.key, "*")
		if key == u.key || isBegin && strings.HasPrefix(key, begin) {
			return u.owner
		}
	}
	return ""
}
