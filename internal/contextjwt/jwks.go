package contextjwt

import (
	"cmp"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/go-jose/go-jose/v4"

	"crossfade.dev/crossfade/internal/keyring"
)

// JWKSPath is where the internal listener publishes the ring's public keys.
const JWKSPath = "/.well-known/jwks.json"

// JWKS is the ring's public keys as a JSON Web Key Set (RFC 7517, RFC 8037), by ascending key id.
func JWKS(ring *keyring.Ring) ([]byte, error) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for id, public := range ring.PublicKeys(Purpose) {
		set.Keys = append(set.Keys, jose.JSONWebKey{
			Key: public, KeyID: strconv.Itoa(int(id)), Algorithm: string(jose.EdDSA), Use: "sig",
		})
	}
	slices.SortFunc(set.Keys, func(a, b jose.JSONWebKey) int {
		return cmp.Or(cmp.Compare(len(a.KeyID), len(b.KeyID)), cmp.Compare(a.KeyID, b.KeyID))
	})
	return json.Marshal(set)
}

// JWKSHandler serves [JWKS]. It may be cached for less time than a verifier keeps its keys, so that a
// key which is published before it signs is known everywhere when it does.
func JWKSHandler(ring *keyring.Ring) (http.Handler, error) {
	body, err := JWKS(ring)
	if err != nil {
		return nil, fmt.Errorf("contextjwt: publish keys: %w", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		w.Header().Set("Cache-Control", "public, max-age=60")
		_, _ = w.Write(body)
	}), nil
}

// parseJWKS takes the Ed25519 signature keys out of a key set and passes over everything else: a set
// may hold keys for other purposes.
func parseJWKS(body []byte) (map[string]ed25519.PublicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	out := map[string]ed25519.PublicKey{}
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(raw) != nil || key.Algorithm != string(jose.EdDSA) || key.Use != "sig" {
			continue
		}
		if public, ok := key.Key.(ed25519.PublicKey); ok && len(public) == ed25519.PublicKeySize && key.KeyID != "" {
			out[key.KeyID] = public
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("key set: none of %d keys is an Ed25519 signature key", len(set.Keys))
	}
	return out, nil
}
