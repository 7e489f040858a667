package demo

import (
	"context"
	"fmt"
	"net"
	"time"
)

// Story plays a day in the inbox of a small coffee house, over and over, as its chat backend would
// publish it: channels connect, customers write, unread counts rise and fall, agents answer, a
// message fails and is sent again. Every round has new conversations. It returns nil when ctx ends,
// or the first error of publish.
func Story(ctx context.Context, publish func(topic string, payload []byte) error) error {
	for {
		for _, s := range newRound() {
			if !wait(ctx, s.pause) {
				return nil
			}
			if err := s.publish(publish); err != nil {
				return err
			}
		}
		if !wait(ctx, betweenRounds) {
			return nil
		}
	}
}

const betweenRounds = 6 * time.Second

// wait waits for d; it is false when ctx ended before.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// The event of the examples.
const (
	exampleTopic   = "sms/4915112345678"
	examplePayload = "Is the terrace open today?"
)

// Example returns a command line that publishes an event to the demo's broker at addr, to be seen
// on its page.
func Example(addr net.Addr) string {
	host, port, _ := net.SplitHostPort(addr.String())
	return fmt.Sprintf("mosquitto_pub -h %s -p %s -q 1 -t %s -m '%s'", host, port, exampleTopic, examplePayload)
}

// OwnExample is Example by the pub command of the named program.
func OwnExample(program string, addr net.Addr) string {
	return fmt.Sprintf("%s pub --broker mqtt://%s -t %s -m '%s'", program, addr, exampleTopic, examplePayload)
}

// The channels of the story.
var (
	whatsapp = channel{id: "b3f0a5c8-52f1-4f0e-9f0f-6f1f3c0f7a01", name: "Harbour Coffee", source: "whatsapp", account: "+49 40 5550 100"}
	site     = channel{id: "0c6f6b9e-1d5b-4f5a-8a53-9a4a6a0a2b02", name: "harbourcoffee.example", source: "chatplugin", account: "website"}
	facebook = channel{id: "7e2d94d1-3b1c-4f3d-b1a7-2d5c8e9f3c03", name: "Harbour Coffee Roasters", source: "facebook",
		account: "fb-page-1042", picture: "https://harbourcoffee.example/logo.png"}
	sms = channel{id: "5d0c1e0a-6a4e-4f0c-9d5f-3b8d6a1f2c44", name: "Text messages", source: "sms", account: "+49 40 5550 199"}
)

// newRound returns the steps of one round, its conversations interleaved as they are in an inbox.
func newRound() []step {
	var r round
	r.online(400*time.Millisecond, whatsapp)
	r.online(500*time.Millisecond, site)
	r.online(400*time.Millisecond, facebook)
	r.online(300*time.Millisecond, sms)

	ada := r.conversation(whatsapp, "Ada Brandt")
	ada.writes(1200*time.Millisecond, "Good morning! Is order 4711 on its way?")
	ada.writes(1800*time.Millisecond, "It was promised for today.")

	tom := r.conversation(site, "Tom Okafor")
	tom.writes(1500*time.Millisecond, "Do you have a table for six on Friday evening?")

	ada.isRead(1500 * time.Millisecond)
	ada.isAnswered(2500*time.Millisecond, "Mira", "Good morning Ada, let me look.")
	ada.isAnswered(3*time.Second, "Mira", "It left the roastery at 7:40 and arrives before noon.")
	ada.writes(2500*time.Millisecond, "Perfect, thank you ☕")

	tom.writes(1200*time.Millisecond, "Outside, if the weather holds.")
	tom.isRead(1800 * time.Millisecond)
	tom.isAnswered(2800*time.Millisecond, "Jonas", "Friday at 19:00, six people, terrace: shall I note it?")

	june := r.conversation(facebook, "June Laurent")
	june.writes(2*time.Second, "Bonjour! Do you ship to France?")
	tom.writes(1500*time.Millisecond, "Yes please, on Okafor.")
	tom.isRead(1200 * time.Millisecond)
	tom.isAnswered(2*time.Second, "Jonas", "Noted. See you on Friday!")
	ada.isRead(800 * time.Millisecond)

	r.offline(2500*time.Millisecond, facebook)
	june.isRead(1500 * time.Millisecond)
	reply := june.isNotReached(2*time.Second, "Mira", "Bonjour June, yes: three days, and free from 40 euros.")
	r.online(3500*time.Millisecond, facebook)
	june.isSentAgain(1200*time.Millisecond, reply)
	june.writes(2600*time.Millisecond, "Merveilleux, merci!")

	lin := r.conversation(whatsapp, "Lin Aydin")
	lin.writes(1800*time.Millisecond, "I left a green scarf at the window seat yesterday.")
	lin.writes(1400*time.Millisecond, "Has somebody found it?")
	june.isRead(900 * time.Millisecond)
	lin.isRead(1500 * time.Millisecond)
	lin.isAnswered(2600*time.Millisecond, "Jonas", "It hangs behind the counter and waits for you.")
	lin.writes(2200*time.Millisecond, "You are the best. I'll come by at four.")
	return r.steps
}
