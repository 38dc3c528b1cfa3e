package httpbridge_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"crossfade.dev/crossfade/legacy/httpbridge"
)

// vector is one line of the signature's published test vectors.
type vector struct {
	Name      string `json:"name"`
	Secret    string `json:"secret"` // as UTF-8 bytes
	Method    string `json:"method"`
	Path      string `json:"path"`
	Time      int64  `json:"time"`
	Nonce     string `json:"nonce"`
	Body      string `json:"body"`
	Signature string `json:"signature"`
}

func TestSignature_vectors(t *testing.T) {
	// The second file is the Python side's own: both sides check both.
	for _, file := range []string{"testdata/bridge_signature.json", "../../client/python/tests/vectors/bridge_signature.json"} {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var vectors []vector
		if err := json.Unmarshal(raw, &vectors); err != nil {
			t.Fatal(err)
		}
		if len(vectors) < 4 {
			t.Fatalf("%s: %d vectors", file, len(vectors))
		}
		for _, v := range vectors {
			t.Run(v.Name, func(t *testing.T) {
				got := httpbridge.Signature([]byte(v.Secret), v.Method, v.Path, time.Unix(v.Time, 0), v.Nonce, []byte(v.Body))
				if got != v.Signature {
					t.Fatalf("got %s, want %s", got, v.Signature)
				}
			})
		}
	}
}
