package redisstore

import (
	"crypto/sha1"
	_ "embed" // the scripts
	"encoding/hex"
)

// script is a Lua script, called by its digest. The servers keep it; one that does not know it is sent it.
type script struct{ text, digest string }

func newScript(text string) *script {
	sum := sha1.Sum([]byte(text))
	return &script{text: text, digest: hex.EncodeToString(sum[:])}
}

//go:embed lua/lineage.lua
var lineageText string

//go:embed lua/touch.lua
var touchText string

//go:embed lua/touchkey.lua
var touchKeyText string

//go:embed lua/claim.lua
var claimText string

//go:embed lua/claimkey.lua
var claimKeyText string

//go:embed lua/void.lua
var voidText string

//go:embed lua/generations.lua
var generationsText string

//go:embed lua/index.lua
var indexText string

//go:embed lua/decide.lua
var decideText string

//go:embed lua/finish.lua
var finishText string

//go:embed lua/verdict.lua
var verdictText string

//go:embed lua/confirm.lua
var confirmText string

//go:embed lua/uncover.lua
var uncoverText string

//go:embed lua/fail.lua
var failText string

//go:embed lua/due.lua
var dueText string

//go:embed lua/sweep.lua
var sweepText string

//go:embed lua/note.lua
var noteText string

var (
	lineageScript     = newScript(lineageText)
	touchScript       = newScript(touchText)
	touchKeyScript    = newScript(touchKeyText)
	claimScript       = newScript(claimText)
	claimKeyScript    = newScript(claimKeyText)
	voidScript        = newScript(voidText)
	generationsScript = newScript(generationsText)
	indexScript       = newScript(indexText)
	decideScript      = newScript(decideText)
	finishScript      = newScript(finishText)
	verdictScript     = newScript(verdictText)
	confirmScript     = newScript(confirmText)
	uncoverScript     = newScript(uncoverText)
	failScript        = newScript(failText)
	dueScript         = newScript(dueText)
	sweepScript       = newScript(sweepText)
	noteScript        = newScript(noteText)
)
