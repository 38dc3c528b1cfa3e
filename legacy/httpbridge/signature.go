package httpbridge

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
)

// The request headers of a signed call.
const (
	HeaderKey       = "Crossfade-Bridge-Key"       // key id, decimal
	HeaderTime      = "Crossfade-Bridge-Time"      // Unix seconds; the other side allows 60 s
	HeaderNonce     = "Crossfade-Bridge-Nonce"     // 32 hex digits, used once
	HeaderSignature = "Crossfade-Bridge-Signature" // hex HMAC-SHA256
)

// Signature is the hex HMAC-SHA256, under the bridge secret, of
//
//	"v1\n" METHOD "\n" path "\n" time "\n" nonce "\n" hex(sha256(body))
//
// where path is the request's path as it is sent, and time is in Unix seconds.
func Signature(secret []byte, method, path string, at time.Time, nonce string, body []byte) string {
	sum := sha256.Sum256(body)
	text := make([]byte, 0, 192)
	text = append(text, "v1\n"...)
	text = append(text, method...)
	text = append(text, '\n')
	text = append(text, path...)
	text = append(text, '\n')
	text = strconv.AppendInt(text, at.Unix(), 10)
	text = append(text, '\n')
	text = append(text, nonce...)
	text = append(text, '\n')
	text = hex.AppendEncode(text, sum[:])
	mac := hmac.New(sha256.New, secret)
	mac.Write(text)
	return hex.EncodeToString(mac.Sum(nil))
}
