package web_test

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// A page with any text under Django's message key is a page, and the key is in order afterwards.
func FuzzMessages(f *testing.F) {
	for _, seed := range []string{`[["__json_message",0,25,"a",""]]`, `[]`, `{}`, `[[[[`, `[["__json_message",1,"x",3]]`, `[null,["__json_message",0,25]]`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			t.Skip("JSON has no such string")
		}
		b := open(t)
		b.fill(map[string]any{"_messages": text})
		if w := b.post("/cart/add/", "item", "201"); w.Code != 302 {
			t.Fatalf("answered %d", w.Code)
		}
		var again string
		var entries [][]any
		if json.Unmarshal([]byte(b.kept("_messages")), &again) != nil || json.Unmarshal([]byte(again), &entries) != nil {
			t.Fatalf("kept %s", b.kept("_messages"))
		}
		if n := len(entries); n == 0 || entries[n-1][3] != "Tonkotsu is in your cart." {
			t.Fatalf("kept %v", entries)
		}
	})
}
