package testenv

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Redis is a Redis server of a test's own. Its data lies in a temporary folder and outlives Kill and Restart.
type Redis struct {
	*Process
	Address string
	Dir     string
}

// redisBinary finds a server: REDIS_SERVER names one, else Redis or Valkey from the PATH.
func redisBinary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("REDIS_SERVER"); path != "" {
		return path
	}
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("testenv: no redis-server in the PATH: run \"tools/setup.sh redis\", or let REDIS_SERVER name a Redis 7 or Valkey server")
	return ""
}

// StartRedis starts a server on a free port: about 30 ms. Settings are lines of redis.conf and come last. Every
// answered write is on disk.
func StartRedis(t testing.TB, settings ...string) *Redis {
	t.Helper()
	address := Address(t)
	return startRedis(t, "redis", address, redisConf(address, append([]string{"appendonly yes", "appendfsync always"}, settings...)))
}

func redisConf(address string, settings []string) string {
	host, port, _ := net.SplitHostPort(address)
	lines := append([]string{
		"bind " + host, "port " + port, "save \"\"", "daemonize no", "protected-mode no", "loglevel notice",
	}, settings...)
	return strings.Join(lines, "\n") + "\n"
}

func startRedis(t testing.TB, name, address, conf string, args ...string) *Redis {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "redis.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	p := Start(t, Command{
		Name: name + " " + address, Path: redisBinary(t), Args: append([]string{path}, args...), Dir: dir,
		Ready: func(context.Context) error { return redisReady(address) },
	})
	return &Redis{Process: p, Address: address, Dir: dir}
}

// redisReady: it answers, if only that it wants a password.
func redisReady(address string) error {
	answer, err := RedisCommand(address, "PING")
	if err != nil {
		return err
	}
	if answer != "+PONG" && !strings.HasPrefix(answer, "-NOAUTH") {
		return fmt.Errorf("redis at %s says %s", address, answer)
	}
	return nil
}

// RedisCommand sends one command without a client and gives the first line of the answer or, for a text, all of
// it: what a test needs to set a server up or to look at it from outside.
func RedisCommand(address string, args ...string) (string, error) {
	c, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		_, _ = fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := c.Write([]byte(b.String())); err != nil {
		return "", err
	}
	r := bufio.NewReader(c)
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	if !strings.HasPrefix(line, "$") {
		return line, nil
	}
	n, err := strconv.Atoi(line[1:])
	if err != nil || n < 0 {
		return "", err
	}
	text := make([]byte, n)
	for at := 0; at < n; {
		k, err := r.Read(text[at:])
		if err != nil {
			return "", err
		}
		at += k
	}
	return string(text), nil
}

// Do is RedisCommand on this server; an error answer fails the test.
func (r *Redis) Do(args ...string) string {
	r.t.Helper()
	answer, err := RedisCommand(r.Address, args...)
	if err != nil || strings.HasPrefix(answer, "-") {
		r.t.Fatalf("testenv: %s at %s: %s %v", strings.Join(args, " "), r.Address, answer, err)
	}
	return answer
}

// Eventually waits until ok, asked every few milliseconds; what names it in the failure.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(startLimit)
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("testenv: not after %v: %s", startLimit, what)
		}
		<-tick.C
	}
}
