package web

import (
	"io"
	"net/http"
	"strings"
)

// Django's double-submit token. The storefront does not need it for itself: it refuses cross-origin
// forms by Origin and Sec-Fetch-Site. It puts one into its forms because a form may be sent after the
// visitor went back to the monolith, which checks it against the csrftoken cookie.
const (
	csrfCookie  = "csrftoken"
	csrfLength  = 32
	csrfLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	csrfAge     = 52 * 7 * 24 * 60 * 60 // seconds; Django's
)

// csrfToken is a masked token for the forms of this page. A browser without a cookie gets one.
func (s *Server) csrfToken(w http.ResponseWriter, r *http.Request) (string, error) {
	secret, ok := csrfSecret(r)
	if !ok {
		var err error
		if secret, err = csrfRandom(s.random); err != nil {
			return "", err
		}
		http.SetCookie(w, &http.Cookie{
			Name: csrfCookie, Value: secret, Path: "/", MaxAge: csrfAge,
			Secure: s.secure, SameSite: http.SameSiteLaxMode,
		})
	}
	mask, err := csrfRandom(s.random)
	if err != nil {
		return "", err
	}
	return csrfMask(secret, mask), nil
}

// csrfSecret is the secret in the browser's cookie, if there is exactly one sound cookie.
func csrfSecret(r *http.Request) (string, bool) {
	cookies := r.CookiesNamed(csrfCookie)
	if len(cookies) != 1 || len(cookies[0].Value) != csrfLength {
		return "", false
	}
	secret := cookies[0].Value
	return secret, onlyLetters(secret)
}

func onlyLetters(s string) bool {
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
