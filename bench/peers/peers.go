// Package peers measures the session plane beside what people use today, on the same servers in one run:
// alexedwards/scs, express-session with connect-redis, and Django's own sessions.
//
// Invariant: every contestant does the same work on the same PostgreSQL and Redis, in a process of its own
// that times itself, called as its own users would at the least cost: in-process, without a web server before
// it. What cannot be started is named as skipped, never left out silently. "make bench-session" runs it.
package peers

import "time"

// The tasks, in the order of the table.
const (
	Check  = "check a live session"
	Create = "create a guest with a cart"
	Login  = "log in, with a new token"
	EndAll = "end all 1,000 sessions of a subject"
	List   = "list a subject with 10,000 dead sessions"
)

// Order is what a contestant is told to do; see Result for what it answers. A process reads orders as JSON, one
// a line, and answers each with a line.
type Order struct {
	// Open prepares: where the servers are, and how many sessions are logged in before anything is measured.
	Open *Opening `json:"open,omitempty"`
	// Task is measured for Seconds with Callers at a time; EndAll and List are done Times.
	Task    string  `json:"task,omitempty"`
	Callers int     `json:"callers,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
	Times   int     `json:"times,omitempty"`
}

// Opening is where things are.
type Opening struct {
	Store    string `json:"store"` // what this contestant keeps its sessions in: sqlite, postgres, redis
	Postgres string `json:"postgres"`
	Redis    string `json:"redis"` // host:port
	Dir      string `json:"dir"`
	Sessions int    `json:"sessions"`
	Owned    int    `json:"owned"` // of the subject that is ended
	Dead     int    `json:"dead"`  // of the subject that is listed
}

// Result is one measurement.
type Result struct {
	Count   uint64        `json:"count"`
	Took    time.Duration `json:"took"` // nanoseconds, as all below
	P50     time.Duration `json:"p50"`
	P99     time.Duration `json:"p99"`
	CPU     time.Duration `json:"cpu"` // of the contestant's process, for all
	Version string        `json:"version,omitempty"`
	Error   string        `json:"error,omitempty"`
}

// aliveOfListed is how many sessions the listed subject has besides the dead ones.
const aliveOfListed = 10
