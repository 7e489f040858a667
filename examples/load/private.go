//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// privateNetwork is the variable of the environment that says that this process is in a network
// namespace of its own, and where the programs are that were built outside: it cannot get modules.
const privateNetwork = "LOAD_PRIVATE_NETWORK"

func inPrivateNetwork() bool { return os.Getenv(privateNetwork) != "" }

// wantsPrivateNetwork reports whether a subject should be kept apart: mosquitto's websockets
// listener must be, since it is open to all the world; RabbitMQ opens its ports so late that
// somebody else may have them.
func wantsPrivateNetwork(name string) bool { return name == "mosquitto-ws" || name == "rabbitmq" }

var errNoPrivateNetwork = errors.New("a network namespace takes root, and ip")

// runPrivately runs this program once more with the same arguments and with the programs that it
// has built, in a network namespace that has nothing but a loopback interface and goes when the last process in it does. Where that is not
// allowed it returns errNoPrivateNetwork.
func runPrivately(ctx context.Context, programs string, args []string, stdout, stderr io.Writer) error {
	if _, err := findProgram("ip"); err != nil {
		return errNoPrivateNetwork
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), privateNetwork+"="+programs)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	err = cmd.Run()
	if errors.Is(err, syscall.EPERM) {
		return errNoPrivateNetwork
	}
	return err
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
