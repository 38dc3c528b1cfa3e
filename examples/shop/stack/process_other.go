//go:build unix && !linux

package stack

import "syscall"

// attributes: a group of its own, so that a signal reaches the workers too.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
