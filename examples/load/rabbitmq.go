//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// rabbitServer is RabbitMQ's script itself: the one in the path is a wrapper of Debian's that runs
// it for the system.
const rabbitServer = "/usr/lib/rabbitmq/bin/rabbitmq-server"

// startRabbitMQ starts a RabbitMQ apart from the system's, with its MQTT and Web STOMP plugins.
func (b *bench) startRabbitMQ(ctx context.Context, s *subject) error {
	if _, err := os.Stat(rabbitServer); err != nil {
		return errAbsent{"Debian's rabbitmq-server is not installed"}
	}
	dir, err := b.folder(s)
	if err != nil {
		return err
	}
	free, err := freeAddresses(6)
	if err != nil {
		return err
	}
	amqp, mqtt, stomp, web, names, nodes := free[0], free[1], free[2], free[3], free[4], free[5]
	err1 := os.WriteFile(filepath.Join(dir, "rabbitmq.conf"), []byte(rabbitConfig(amqp, mqtt, stomp, web)), 0o600)
	err2 := os.WriteFile(filepath.Join(dir, "enabled_plugins"), []byte("[rabbitmq_mqtt,rabbitmq_web_stomp].\n"), 0o600)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if err := startNameServer(ctx, s, dir, names); err != nil {
		return err
	}
	cmd := exec.Command(rabbitServer)
	cmd.Env = append(os.Environ(), rabbitEnviron(dir, names, nodes)...)
	if s.server, err = b.startServer("rabbitmq", dir, cmd); err != nil {
		return err
	}
	s.onStop(s.server.stop)
	s.open = func(ctx context.Context, i int) (*session, error) {
		return openStomp(ctx, i, stompTarget{
			endpoint:    endpoint{address: web, path: "/ws"},
			heartBeat:   b.heartBeat,
			login:       map[string]string{"login": "guest", "passcode": "guest"},
			destination: "/topic/" + strings.ReplaceAll(topic, "/", "."),
			id:          subscriptionID(i, b.distinct),
		})
	}
	s.publisher = func() (publisher, error) { return b.dialMapped(mqtt) }
	return s.server.await(ctx, func() bool { return listens(mqtt) && listens(web) })
}

// rabbitConfig has every listener on a loopback port.
func rabbitConfig(amqp, mqtt, stomp, web string) string {
	return fmt.Sprintf(`listeners.tcp.1 = %s
mqtt.listeners.tcp.1 = %s
stomp.listeners.tcp.1 = %s
web_stomp.tcp.ip = 127.0.0.1
web_stomp.tcp.port = %s
log.file = false
log.console = true
log.console.level = error
`, amqp, mqtt, stomp, port(web))
}

// rabbitEnviron keeps all that the node writes in dir, and makes the process that is started the
// node itself.
func rabbitEnviron(dir, names, nodes string) []string {
	return []string{
		"HOME=" + dir, // for the cookie of Erlang's distribution
		"RABBITMQ_NODENAME=load@localhost",
		"RABBITMQ_CONFIG_FILE=" + filepath.Join(dir, "rabbitmq.conf"),
		"RABBITMQ_CONF_ENV_FILE=" + os.DevNull,
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + filepath.Join(dir, "enabled_plugins"),
		"RABBITMQ_MNESIA_BASE=" + filepath.Join(dir, "store"),
		"RABBITMQ_LOG_BASE=" + dir,
		"RABBITMQ_PID_FILE=" + filepath.Join(dir, "pid"),
		"RABBITMQ_DIST_PORT=" + port(nodes),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}",
		"RUNNING_UNDER_SYSTEMD=true", // exec instead of a shell that waits
		"ERL_EPMD_PORT=" + port(names),
		"ERL_EPMD_ADDRESS=127.0.0.1",
	}
}

// startNameServer starts Erlang's, which a node would otherwise start by itself and leave behind.
func startNameServer(ctx context.Context, s *subject, dir, address string) error {
	bin, err := findProgram("epmd")
	if err != nil {
		return err
	}
	p, err := startProcess("epmd", dir, exec.Command(bin, "-address", "127.0.0.1", "-port", port(address)))
	if err != nil {
		return err
	}
	s.onStop(p.stop)
	return p.await(ctx, func() bool { return listens(address) })
}
