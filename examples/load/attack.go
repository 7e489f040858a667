//go:build linux

package main

import (
	"context"
	"encoding/base64"
	"strings"
	"sync"
	"time"
)

// startAttackedBridge starts a bridge to which clients with bad tokens come all the time, at the
// rate of -attacks: half of them show it in the handshake and are refused there, half in CONNECT.
func (b *bench) startAttackedBridge(ctx context.Context, s *subject) error {
	if err := b.startBridge(ctx, s); err != nil {
		return err
	}
	target, err := s.target(0)
	if err != nil {
		return err
	}
	attacking, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { attack(attacking, target, b.attacks) })
	s.onStop(func() {
		stop()
		running.Wait()
	})
	return nil
}

// attack opens sessions in vain.
func attack(ctx context.Context, target stompTarget, rate float64) {
	tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer tick.Stop()
	var running sync.WaitGroup
	defer running.Wait()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		running.Go(func() { intrude(ctx, target, n%2 == 0) })
	}
}

// intrude opens a session in vain: the signature of its token is not the server's.
func intrude(ctx context.Context, target stompTarget, early bool) {
	token := strings.TrimPrefix(target.login["Authorization"], "Bearer ")
	token = token[:strings.LastIndexByte(token, '.')+1] + strings.Repeat("A", 43)
	target.login = map[string]string{"Authorization": "Bearer " + token}
	var s *session
	var err error
	if early {
		target.subprotocols = stompSubprotocol + ", bearer." + base64.RawURLEncoding.EncodeToString([]byte(token))
		s, err = openSession(ctx, 0, target.endpoint)
	} else {
		s, err = openStomp(ctx, 0, target)
	}
	if err == nil {
		s.close()
	}
}
