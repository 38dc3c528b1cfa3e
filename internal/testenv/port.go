package testenv

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// The range lies below what kernels hand out for outgoing connections (Linux from 32768, others from
// 49152), so that no connection takes the port of a process that is down for a restart.
const (
	firstPort = 20_000
	lastPort  = 31_999
)

// Port leases a loopback port that is free now and that no other test takes until this one ends, not
// even while the process on it is killed and restarted. The lease is a lock on a file, which the
// kernel drops with the test process.
func Port(t testing.TB) int {
	t.Helper()
	dir := filepath.Join(os.TempDir(), "crossfade-ports")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		lease, err := leasePort(dir, port)
		if err != nil {
			continue
		}
		t.Cleanup(func() { _ = lease.Close() })
		return port
	}
	t.Fatalf("testenv: no free port between %d and %d: look for left-over processes with \"ss -tlnp\"", firstPort, lastPort)
	return 0
}

// Address is Port as host:port on the loopback interface.
func Address(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(Port(t)))
}

var errPortTaken = errors.New("port is taken")

func leasePort(dir string, port int) (*os.File, error) {
	lease, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(port)), os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o666)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lease.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lease.Close()
		return nil, fmt.Errorf("%w: %w", errPortTaken, err)
	}
	probe, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		_ = lease.Close()
		return nil, fmt.Errorf("%w: %w", errPortTaken, err)
	}
	_ = probe.Close()
	return lease, nil
}
