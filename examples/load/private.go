package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// privateNetwork is the variable of the environment that says that this process is in a network namespace of its own.
const privateNetwork = "LOAD_PRIVATE_NETWORK"

func inPrivateNetwork() bool { return os.Getenv(privateNetwork) != "" }

// canGoPrivate reports whether runPrivately may work.
func canGoPrivate() bool {
	_, err := findProgram("ip")
	return os.Geteuid() == 0 && err == nil
}

// runPrivately runs this program once more with the same arguments, in a network namespace that has nothing but a loopback
// interface and goes when the last process in it does.
func runPrivately(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), privateNetwork+"=1")
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	return cmd.Run()
}

// raiseLoopback turns on the loopback interface, which is off in a new namespace.
func raiseLoopback() error {
	ip, err := findProgram("ip")
	if err != nil {
		return err
	}
	if out, err := exec.Command(ip, "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("ip link set lo up: %w: %s", err, out)
	}
	return nil
}
