//go:build linux

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
)

// A curve is what deliveries cost one subject.
type curve struct {
	name   string
	points []point // by rising sessions; one or more
}

// A point is the CPU of the server for one delivery to so many sessions.
type point struct {
	sessions int
	micros   float64 // µs; above 0
}

func (c curve) end() point { return c.points[len(c.points)-1] }

// Where the picture's parts lie, in its own units. The names of the curves stand in the right margin.
const (
	pictureWidth, pictureHeight = 900, 560
	leftEdge, rightEdge         = 80, 700
	topEdge, bottomEdge         = 90, 490
	nameHeight                  = 18
)

// The picture has a background of its own, so that it is legible on any page.
const (
	background = "#ffffff"
	foreground = "#1b1f24"
	faint      = "#d8dce1"
)

// A look is how a curve is drawn. The limits are grey and dashed.
type look struct {
	color, dash string
	width       float64
}

var looks = map[string]look{
	"bridge":       {"#0a58ca", "none", 3.5},
	"loop":         {"#57606a", "7 5", 2},
	"loop-batched": {"#57606a", "2 4", 2},
	"mosquitto-ws": {"#00785a", "none", 2},
	"rabbitmq":     {"#b54708", "none", 2},
}

// drawFile writes the picture to the file that the options name.
func (b *bench) drawFile(curves []curve) error {
	return os.WriteFile(b.svg, drawCosts(curves, b.conditions()), 0o666)
}

// conditions says in a line how the figures of a picture were taken.
func (b *bench) conditions() string {
	pace := fmt.Sprintf("up to %s under way", count(b.inFlight, "event"))
	switch {
	case b.rate > 0:
		pace = fmt.Sprintf("%g events a second", b.rate)
	case b.inFlight == 1:
		pace = "one event at a time"
	}
	medians := ""
	if b.rounds > 1 {
		medians = fmt.Sprintf("medians of %d rounds, ", b.rounds)
	}
	return fmt.Sprintf("%s at QoS %d, %d bytes of content each; %s%s (%s)", pace, b.qos, b.size, medians, count(runtime.NumCPU(), "core"), runtime.GOARCH)
}

// drawCosts returns an SVG picture of the curves over two logarithmic axes, each with its name at its end.
func drawCosts(curves []curve, conditions string) []byte {
	p := &picture{x: sessionAxis(curves), y: costAxis(curves)}
	p.add(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="14" fill="%s">`, pictureWidth, pictureHeight, foreground)
	p.add(`<rect width="100%%" height="100%%" fill="%s"/>`, background)
	p.add(`<text x="%d" y="36" font-size="20" font-weight="600">What one delivery costs the server</text>`, leftEdge)
	p.add(`<text x="%d" y="62">%s</text>`, leftEdge, conditions)
	p.axes()
	for _, c := range curves {
		p.curve(c)
	}
	p.names(curves)
	p.add(`</svg>`)
	return p.svg.Bytes()
}

type picture struct {
	svg  bytes.Buffer
	x, y axis
}

func (p *picture) add(format string, args ...any) { fmt.Fprintf(&p.svg, format+"\n", args...) }

// An axis is logarithmic; its first tick lies at from and its last one at to.
type axis struct {
	ticks    []float64
	from, to float64
}

func (a axis) at(v float64) float64 {
	first, last := a.ticks[0], a.ticks[len(a.ticks)-1]
	return a.from + (a.to-a.from)*math.Log(v/first)/math.Log(last/first)
}

// sessionAxis has a tick at each number of sessions that was measured; there are two or more.
func sessionAxis(curves []curve) axis {
	var ticks []float64
	for _, c := range curves {
		for _, at := range c.points {
			ticks = append(ticks, float64(at.sessions))
		}
	}
	slices.Sort(ticks)
	return axis{slices.Compact(ticks), leftEdge + 20, rightEdge - 20}
}

// costAxis has ticks at 1, 2 and 5 times the powers of ten, from the last one below all costs to the first one above.
func costAxis(curves []curve) axis {
	low, high := math.Inf(1), 0.0
	for _, c := range curves {
		for _, at := range c.points {
			low, high = min(low, at.micros), max(high, at.micros)
		}
	}
	var ticks []float64
	for power := math.Floor(math.Log10(low)); ; power++ {
		for _, digit := range []float64{1, 2, 5} {
			tick := digit * math.Pow(10, power)
			if tick <= low {
				ticks = ticks[:0]
			}
			if ticks = append(ticks, tick); tick > high {
				return axis{ticks, bottomEdge, topEdge}
			}
		}
	}
}

func (p *picture) axes() {
	for _, v := range p.y.ticks {
		p.add(`<path d="M%d %.1fH%d" stroke="%s"/>`, leftEdge, p.y.at(v), rightEdge, faint)
		p.add(`<text x="%d" y="%.1f" text-anchor="end">%.3g</text>`, leftEdge-8, p.y.at(v)+5, v)
	}
	for _, v := range p.x.ticks {
		p.add(`<path d="M%.1f %dv6" stroke="%s"/>`, p.x.at(v), bottomEdge, foreground)
		p.add(`<text x="%.1f" y="%d" text-anchor="middle">%.0f</text>`, p.x.at(v), bottomEdge+24, v)
	}
	p.add(`<path d="M%d %dV%dH%d" fill="none" stroke="%s"/>`, leftEdge, topEdge, bottomEdge, rightEdge, foreground)
	p.add(`<text x="%d" y="%d" text-anchor="middle">sessions</text>`, (leftEdge+rightEdge)/2, bottomEdge+50)
	p.add(`<text transform="translate(24 %d) rotate(-90)" text-anchor="middle">CPU µs a delivery</text>`, (topEdge+bottomEdge)/2)
}

func (p *picture) curve(c curve) {
	l := looks[c.name]
	var places []string
	for _, at := range c.points {
		x, y := p.place(at)
		places = append(places, fmt.Sprintf("%.1f,%.1f", x, y))
		p.add(`<circle cx="%.1f" cy="%.1f" r="%g" fill="%s"><title>%s to %s: %s µs</title></circle>`,
			x, y, l.width+1, l.color, c.name, count(at.sessions, "session"), threeDigits(at.micros))
	}
	p.add(`<polyline points="%s" fill="none" stroke="%s" stroke-width="%g" stroke-dasharray="%s"/>`, strings.Join(places, " "), l.color, l.width, l.dash)
}

func (p *picture) place(at point) (x, y float64) {
	return p.x.at(float64(at.sessions)), p.y.at(at.micros)
}

// names writes each name and the last cost at the end of its curve, or below the name above it where the two would touch.
func (p *picture) names(curves []curve) {
	falling := slices.SortedFunc(slices.Values(curves), func(a, b curve) int { return cmp.Compare(b.end().micros, a.end().micros) })
	free := 0.0
	for _, c := range falling {
		x, y := p.place(c.end())
		y = max(y+5, free)
		free = y + nameHeight
		p.add(`<text x="%.1f" y="%.1f" fill="%s" font-weight="600">%s %s µs</text>`, x+14, y, looks[c.name].color, c.name, threeDigits(c.end().micros))
	}
}

// threeDigits returns a number with three digits that count, from 0.1 on.
func threeDigits(v float64) string {
	decimals := 3
	for scale := 1.0; v >= scale && decimals > 0; scale *= 10 {
		decimals--
	}
	return fmt.Sprintf("%.*f", decimals, v)
}
