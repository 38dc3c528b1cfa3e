//go:build !linux

package testenv

import "syscall"

// processAttributes gives the child a process group. Only Linux can tie its life to the parent's.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
