package redisstore

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"crossfade.dev/crossfade/session"
)

// keys names what the store keeps. What stands between braces decides the slot of a cluster, so all that one
// script touches has the same: a lineage with its records, legacy keys, tombstone and lock is one hash.
type keys struct {
	prefix  string
	cluster bool
	// Of the one slot in which commits are decided.
	sequence, marks, ends, outbox, due, cover, decided, notes, probe string
}

func newKeys(prefix string, cluster bool) keys {
	g := prefix + ":{" + prefix + "}:"
	return keys{
		prefix: prefix, cluster: cluster,
		sequence: g + "sequence", marks: g + "marks", ends: g + "ends", outbox: g + "outbox", due: g + "due",
		cover: g + "cover", decided: g + "decided", notes: g + "notes", probe: g + "probe",
	}
}

func (k *keys) lineage(l session.Lineage) string { return k.of16(l) }

// id is where a record is looked for first: the lineage of its own id, which most records are in.
func (k *keys) id(id session.ID) string { return k.of16(id) }

func (k *keys) of16(b [16]byte) string {
	out := make([]byte, 0, len(k.prefix)+35)
	out = append(append(out, k.prefix...), ':', '{')
	return string(append(hex.AppendEncode(out, b[:]), '}'))
}

// lineagePattern finds all lineages, and parseLineage what is in their keys.
func (k *keys) lineagePattern() string {
	return escapeGlob(k.prefix) + ":{" + strings.Repeat("[0-9a-f]", 32) + "}"
}

func (k *keys) parseLineage(key string) (session.Lineage, bool) {
	hexes, ok := strings.CutPrefix(key, k.prefix+":{")
	hexes, closed := strings.CutSuffix(hexes, "}")
	l, err := session.ParseLineage(hexes)
	return l, ok && closed && err == nil
}

func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(s)
}

func (k *keys) legacyKey(h session.KeyHash) string {
	return k.prefix + ":key:{" + hex.EncodeToString(h[:]) + "}"
}

// subject hides who it is: keys show up in monitoring, and a subject may hold a brace.
func (k *keys) subject(subject string) string {
	sum := sha256.Sum256([]byte(subject))
	return k.prefix + ":subject:{" + hex.EncodeToString(sum[:16]) + "}"
}

// abort is there when a commit was given up by somebody else than who began it.
func (k *keys) abort(c commitID) string {
	return k.prefix + ":{" + k.prefix + "}:abort:" + hex.EncodeToString(c[:])
}

// tombs are where sweeping finds lineages that have ended, spread over the slots.
const tombs = 64

func (k *keys) tombs(n int) string { return fmt.Sprintf("%s:tombs:{%d}", k.prefix, n) }

func tombOf(l session.Lineage) int { return int(l[15]) % tombs }

// publishing and channel say how a script tells what it did. In a cluster each slot has a channel of its own,
// because a script may publish only where its keys are.
func (k *keys) publishing() string {
	if k.cluster {
		return "SPUBLISH"
	}
	return "PUBLISH"
}

func (k *keys) channel(tag string) string {
	if !k.cluster {
		return k.prefix + ":changes"
	}
	return k.slotChannel(slotOf(tag))
}

func (k *keys) slotChannel(slot int) string { return k.prefix + ":changes:{" + slotTags()[slot] + "}" }

// field names a record in its lineage's hash; its attributes are beside it.
func field(id session.ID, l session.Lineage) string {
	if session.Lineage(id) == l {
		return "s"
	}
	return "s" + string(id[:])
}

func attributesField(record string) string { return "a" + record[1:] }
