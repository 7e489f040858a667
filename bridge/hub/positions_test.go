package hub_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"mqtt-stomp-bridge/bridge/hub"
)

// Whatever is done to them, they are what a plain list would be.
func TestPositions(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		var got hub.Positions
		var want []uint64
		var last uint64
		for range 5000 {
			switch n := random.IntN(100); {
			case n < 60:
				last += 1 + random.Uint64N(1<<random.UintN(20))
				got.Add(last)
				want = append(want, last)
			case n < 99 && len(want) > 0:
				i := random.IntN(len(want))
				position := want[i] + random.Uint64N(2) // perhaps one that is not there
				i, found := slices.BinarySearch(want, position)
				if got.Has(position) != found || got.Remove(position) != found {
					t.Fatalf("seed %d: position %d is there: %v", seed, position, !found)
				}
				if found {
					want = slices.Delete(want, i, i+1)
				}
			case len(want) > 0:
				i := random.IntN(len(want))
				got.RemoveTo(want[i])
				want = want[i+1:]
			}
			if got.Len() != len(want) {
				t.Fatalf("seed %d: %d positions, want %d", seed, got.Len(), len(want))
			}
		}
		for _, position := range want {
			if !got.Has(position) {
				t.Fatalf("seed %d: position %d is missing", seed, position)
			}
		}
	}
}

// A client that acknowledges nothing, or all but every hundredth message, on a queue that has every
// third entry of the log: what is remembered stays near two bytes a position.
func TestUnacknowledgedPositionsAreSmall(t *testing.T) {
	for name, acknowledge := range map[string]func(i int) bool{
		"none":          func(int) bool { return false },
		"all but a few": func(i int) bool { return i%100 != 0 },
	} {
		t.Run(name, func(t *testing.T) {
			var p hub.Positions
			for i := 1; p.Len() < hub.MaxWindow; i++ {
				p.Add(uint64(3 * i))
				if acknowledge(i) {
					p.Remove(uint64(3 * i))
				}
			}
			if n := p.Bytes(); n > 4*hub.MaxWindow {
				t.Errorf("%d positions take %d bytes", p.Len(), n)
			}
			if before := p.Len(); before != hub.MaxWindow {
				t.Errorf("%d positions", before)
			}
			p.RemoveTo(p.Middle())
			if n := p.Len(); n < hub.MaxWindow/3 || n > 2*hub.MaxWindow/3 {
				t.Errorf("%d positions are left of %d, want about half", n, hub.MaxWindow)
			}
		})
	}
}
