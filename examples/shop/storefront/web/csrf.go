package web

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"crossfade.dev/crossfade/client"
)

// Django's token. The storefront does not need it for itself: it refuses cross-origin forms by Origin and
// Sec-Fetch-Site. It puts one into its forms because a form may be sent after the visitor went back to the
// monolith, which checks it against the csrftoken cookie or, with CSRF_USE_SESSIONS, against the session.
const (
	csrfCookie  = "csrftoken"
	keyCSRF     = "_csrftoken" // Django's session key
	csrfLength  = 32
	csrfLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	csrfAge     = 52 * 7 * 24 * 60 * 60 // seconds; Django's
)

// csrfToken is a masked token for the forms of this page; empty, where the session cannot keep one: then
// the monolith would refuse the form, and the storefront takes it.
func (s *Server) csrfToken(w http.ResponseWriter, r *http.Request, v *visit) (string, error) {
	find := s.cookieSecret
	if s.inSession {
		find = s.sessionSecret
	}
	secret, err := find(w, r, v)
	if err != nil || secret == "" {
		return "", err
	}
	mask, err := csrfRandom(s.random)
	if err != nil {
		return "", err
	}
	return csrfMask(secret, mask), nil
}

// cookieSecret is the secret in the browser's cookie, if there is exactly one sound cookie; otherwise the
// browser gets one.
func (s *Server) cookieSecret(w http.ResponseWriter, r *http.Request, _ *visit) (string, error) {
	if cookies := r.CookiesNamed(csrfCookie); len(cookies) == 1 && isSecret(cookies[0].Value) {
		return cookies[0].Value, nil
	}
	secret, err := csrfRandom(s.random)
	if err != nil {
		return "", err
	}
	http.SetCookie(w, &http.Cookie{
		Name: csrfCookie, Value: secret, Path: "/", MaxAge: csrfAge,
		Secure: s.secure, SameSite: http.SameSiteLaxMode,
	})
	return secret, nil
}

// sessionSecret is the secret in the session. A session without one gets one, and of two tabs that do so
// at once both use the first's: a page must not carry a token that the other page made worthless.
func (s *Server) sessionSecret(_ http.ResponseWriter, r *http.Request, v *visit) (string, error) {
	if v == nil || v.unread {
		return "", nil
	}
	for range attempts {
		if secret := value[string](v, keyCSRF); isSecret(secret) {
			return secret, nil
		}
		secret, err := csrfRandom(s.random)
		if err != nil {
			return "", err
		}
		err = v.write(r.Context(), client.Change{Set: map[string]any{keyCSRF: secret}, Unchanged: []string{keyCSRF}})
		if err == nil {
			return secret, nil
		}
		if !errors.Is(err, client.ErrConflict) || v.refresh(r.Context()) != nil {
			s.log.WarnContext(r.Context(), "a page has no CSRF token", "error", err)
			return "", nil
		}
	}
	return "", nil
}

func isSecret(s string) bool {
	if len(s) != csrfLength {
		return false
	}
	for i := range len(s) {
		if strings.IndexByte(csrfLetters, s[i]) < 0 {
			return false
		}
	}
	return true
}

// csrfMask makes a token that differs in every page but means the same secret: the mask, and the secret
// shifted by it, letter by letter (django.middleware.csrf, _mask_cipher_secret). Compression then gives
// nothing away about the secret.
func csrfMask(secret, mask string) string {
	out := []byte(mask)
	for i := range len(secret) {
		sum := strings.IndexByte(csrfLetters, secret[i]) + strings.IndexByte(csrfLetters, mask[i])
		out = append(out, csrfLetters[sum%len(csrfLetters)])
	}
	return string(out)
}

// csrfRandom draws letters without bias: bytes past the last whole multiple of 62 are thrown away.
func csrfRandom(random io.Reader) (string, error) {
	const limit = 256 - 256%len(csrfLetters)
	out := make([]byte, 0, csrfLength)
	buffer := make([]byte, csrfLength)
	for {
		if _, err := io.ReadFull(random, buffer); err != nil {
			return "", err
		}
		for _, b := range buffer {
			if int(b) < limit {
				out = append(out, csrfLetters[int(b)%len(csrfLetters)])
			}
			if len(out) == csrfLength {
				return string(out), nil
			}
		}
	}
}
