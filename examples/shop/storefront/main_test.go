package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crossfade.dev/crossfade/internal/fault"
)

// The package is a program: what it promises here is what its operator reads when it does not start.
func TestRun_saysWhatIsMissing(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("storefront-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		env  map[string]string
		hint string
	}{
		"nothing set":         {nil, nil, "--alone"},
		"a secret file away":  {nil, map[string]string{"CROSSFADE_API": "http://localhost:1", "CROSSFADE_SECRET_FILE": secret + "x"}, "crossfade.yaml"},
		"an API without host": {nil, map[string]string{"CROSSFADE_API": "localhost", "CROSSFADE_SECRET_FILE": secret}, ""},
		"a public URL that is none": {nil, map[string]string{"CROSSFADE_API": "http://localhost:1", "CROSSFADE_SECRET_FILE": secret, "SHOP_PUBLIC_URL": "shop"},
			"SHOP_PUBLIC_URL"},
		"an unknown flag":    {[]string{"--nonsense"}, nil, ""},
		"an impossible port": {[]string{"--alone"}, map[string]string{"SHOP_LISTEN": "127.0.0.1:99999"}, "SHOP_LISTEN"},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), c.args, func(key string) string { return c.env[key] })
			if code := fault.CodeOf(err); code != fault.Invalid && code != fault.Unavailable {
				t.Fatalf("got %v", err)
			}
			if _, hint := fault.Public(err); !strings.Contains(hint, c.hint) {
				t.Errorf("the hint is %q", hint)
			}
		})
	}
}
