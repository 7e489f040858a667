//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// awaitEnds returns how many sessions the bridge has ended, by cause, once they are that many, or
// when the time has passed.
func (s *subject) awaitEnds(ctx context.Context, sessions int, most time.Duration) (ends map[string]int, err error) {
	for began := time.Now(); ; {
		ends, err = readEnds("http://" + s.ops + "/metrics")
		all := 0
		for _, n := range ends {
			all += n
		}
		if err != nil || all >= sessions || time.Since(began) > most {
			return ends, err
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

func readEnds(url string) (map[string]int, error) {
	response, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return parseEnds(response.Body)
}

// parseEnds reads the ends of sessions in the figures of a bridge:
//
//	mqtt_stomp_bridge_session_ends_total{cause="write timeout"} 3
func parseEnds(r io.Reader) (map[string]int, error) {
	ends := map[string]int{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		rest, found := strings.CutPrefix(lines.Text(), `mqtt_stomp_bridge_session_ends_total{cause="`)
		if !found {
			continue
		}
		cause, value, _ := strings.Cut(rest, `"} `)
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("reading %q: %w", lines.Text(), err)
		}
		ends[cause] += int(n)
	}
	return ends, lines.Err()
}
