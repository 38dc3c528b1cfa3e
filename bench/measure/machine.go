package measure

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Machine says in one line what the figures were measured on: they mean nothing without it.
func Machine() string {
	parts := []string{fmt.Sprintf("%d × %s", runtime.NumCPU(), processor())}
	if memory := field("/proc/meminfo", "MemTotal"); memory != "" {
		if kib, err := strconv.Atoi(strings.TrimSuffix(memory, " kB")); err == nil {
			parts = append(parts, fmt.Sprintf("%.0f GiB", float64(kib)/(1<<20)))
		}
	}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		parts = append(parts, runtime.GOOS+" "+strings.TrimSpace(string(kernel)))
	} else {
		parts = append(parts, runtime.GOOS)
	}
	parts = append(parts, fmt.Sprintf("%s %s, GOMAXPROCS %d", runtime.Version(), runtime.GOARCH, runtime.GOMAXPROCS(0)))
	return strings.Join(parts, ", ")
}

// processor is the model, as the kernel names it; on a virtual machine that can be little.
func processor() string {
	name := field("/proc/cpuinfo", "model name")
	if name == "" {
		return runtime.GOARCH
	}
	if mhz, err := strconv.ParseFloat(field("/proc/cpuinfo", "cpu MHz"), 64); err == nil {
		name += fmt.Sprintf(" %.1f GHz", mhz/1000)
	}
	return name
}

// field is the first value of a "name : value" file of the kernel's; empty: there is none.
func field(file, name string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Busy is what else runs: the load average before anything was measured. It spoils every figure.
func Busy() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// SyncTime is the median time that the disk under dir takes to make 4 KiB durable. On a virtual machine
// whose host answers from a cache it is far shorter than on a disk, and durable writes are as much faster.
func SyncTime(dir string) (time.Duration, error) {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	var took Series
	page := make([]byte, 4096)
	for range 200 {
		start := time.Now()
		if _, err := f.WriteAt(page, 0); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took = append(took, float64(time.Since(start)))
	}
	return time.Duration(took.Median()), nil
}

// CPU is what this process has used of the processors so far.
func CPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Resident is the memory that this process holds, in bytes; 0 where the kernel does not say.
func Resident() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// Heap is the memory that is still in use after a collection.
func Heap() uint64 {
	runtime.GC()
	runtime.GC() // the second empties what sync.Pool kept from the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
