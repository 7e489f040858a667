//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// replicaCount is how many bridges share a journal, and how many NATS servers keep it.
const replicaCount = 3

// startReplicas starts a broker, NATS servers and the sidecar on each of them. The sessions are spread
// over the replicas.
func (b *bench) startReplicas(ctx context.Context, s *subject) error {
	dir, err := b.folder(s)
	if err != nil {
		return err
	}
	free, err := freeAddresses(1 + 2*replicaCount)
	if err != nil {
		return err
	}
	broker, listen, ops := free[0], free[1:1+replicaCount], free[1+replicaCount:]
	if err := b.startBroker(ctx, s, dir, broker); err != nil {
		return err
	}
	servers, err := b.startLog(ctx, s, dir)
	if err != nil {
		return err
	}
	var targets []func(int) (stompTarget, error)
	for _, address := range listen {
		targets = append(targets, b.targets(endpoint{address: address}))
	}
	s.ops = ops[0]
	s.target = func(i int) (stompTarget, error) { return targets[i%replicaCount](i) }
	s.open = opener(s.target)
	s.publisher = func() (publisher, error) { return b.dialEvents(broker) }
	s.serve = func(ctx context.Context) error {
		for i := range replicaCount {
			config := filepath.Join(dir, fmt.Sprintf("config-%d.yaml", i))
			journal := fmt.Sprintf("journal: {nats: {url: [%s], id: replica-%d}}\n", strings.Join(servers, ", "), i)
			text := b.bridgeConfig(broker, listen[i], ops[i], s.opsKeys, journal)
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				return err
			}
			p, err := b.serve(ctx, s, dir, config, ops[i])
			if err != nil {
				return err
			}
			if i == 0 {
				s.server = p
			} else {
				s.server.with = append(s.server.with, p)
			}
		}
		return nil
	}
	return s.serve(ctx)
}

// startLog starts a cluster of NATS servers that write to disk before they answer, and returns their
// URLs. Their CPU counts with the broker's.
func (b *bench) startLog(ctx context.Context, s *subject, dir string) (urls []string, err error) {
	free, err := freeAddresses(3 * replicaCount)
	if err != nil {
		return nil, err
	}
	clients, routes, monitors := free[:replicaCount], free[replicaCount:2*replicaCount], free[2*replicaCount:]
	var others []string
	for _, r := range routes {
		others = append(others, "nats://"+r)
	}
	for i, address := range clients {
		config := filepath.Join(dir, fmt.Sprintf("nats-%d.conf", i))
		text := fmt.Sprintf("server_name: nats-%d\nlisten: %q\nhttp: %q\nmax_payload: 8MB\njetstream { store_dir: %q, sync_interval: always }\n"+
			"cluster { name: load, listen: %q, routes: [%s] }\n",
			i, address, monitors[i], filepath.Join(dir, fmt.Sprintf("nats-%d", i)), routes[i], strings.Join(others, ", "))
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			return nil, err
		}
		p, err := startProcess(fmt.Sprintf("nats-%d", i), dir, exec.Command(b.program("nats"), "-c", config))
		if err != nil {
			return nil, err
		}
		s.onStop(p.stop)
		if s.broker != nil {
			s.broker.with = append(s.broker.with, p)
		}
		if err := p.await(ctx, func() bool { return listens(address) }); err != nil {
			return nil, err
		}
		urls = append(urls, "nats://"+address)
	}
	return urls, nil
}
