package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/explain"
)

// An explainOptions is the command line of explain.
type explainOptions struct {
	path          string
	login         opsLogin
	messageID     string // "": topic counts
	topic         string
	since, until  string
	user, session string
	format        format
}

// explainCommand says what became of an event in a running bridge.
func (p *program) explainCommand() *cobra.Command {
	var o explainOptions
	c := p.command(description{
		name: "explain", group: groupBridge,
		about: "say why a client got a message, or did not",
		more: "Give a message-id, or the topic of an event with -t, and whose client it is about with -u or --session. It says what each\n" +
			"rule made of the event, and what became of its messages for each subscription. The bridge keeps the newest events and\n" +
			"sessions in memory (ops.trail) and says where it does not know any more. Bodies and audiences need ops.show_payloads: true.\n" +
			"What a token stands for is said by token --explain.",
		codes: "0 it knows such an event, 1 it does not or failed, 2 the command line is wrong",
		example: `  mqtt-stomp-bridge explain -u ann 3f9k2m-17
  mqtt-stomp-bridge explain -u ann -t 'chat/+/42/message' --since 10m`,
	}, func(ctx context.Context) error { return p.explain(ctx, o) })
	c.Use = "explain [flags] [MESSAGE-ID]"
	c.Args = func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) > 1:
			return misused("explain", "takes one message-id; a topic is given with -t")
		case len(args) == 1:
			o.messageID = args[0]
		}
		if (o.messageID == "") == (o.topic == "") {
			return misused("explain", "give either a message-id, or a topic with -t")
		}
		if o.messageID != "" && o.since+o.until != "" {
			return misused("explain", "--since and --until are for -t TOPIC")
		}
		return nil
	}
	f := c.Flags()
	configFlag(c, &o.path)
	f.StringVarP(&o.topic, "topic", "t", "", "the `topic` of the events, or a topic filter; the newest 20")
	f.StringVar(&o.since, "since", "", "only events since this `time`, such as 10m for ten minutes ago, or 2026-05-01T12:00:00Z")
	f.StringVar(&o.until, "until", "", "only events until this `time`")
	f.StringVarP(&o.user, "user", "u", "", "what became of it for the clients of this `user`")
	f.StringVar(&o.session, "session", "", "what became of it for the session with this `id`, which the log and /sessions have")
	formatFlag(c, &o.format, "for programs, as the ops endpoint answers")
	loginFlags(c, &o.login)
	return c
}

func (p *program) explain(ctx context.Context, o explainOptions) error {
	page, err := o.page(time.Now())
	if err != nil {
		return err
	}
	answer, err := p.askOps(ctx, o.path, o.login, http.MethodGet, page)
	if err != nil {
		return err
	}
	var a explain.Answer
	print := func(got explain.Answer) { a = got }
	if err := printAnswer(answer, print); err != nil {
		return err
	}
	if o.format == formatJSON {
		_, err = p.stdout.Write(answer)
	} else {
		p.printExplained(a)
	}
	if err == nil && len(a.Events) == 0 {
		err = exit(exitFailure)
	}
	return err
}

// page is what to ask the ops endpoint for.
func (o explainOptions) page(now time.Time) (string, error) {
	query := url.Values{}
	set := func(name, value string) {
		if value != "" {
			query.Set(name, value)
		}
	}
	since, err := momentOf("since", o.since, now)
	if err != nil {
		return "", err
	}
	until, err := momentOf("until", o.until, now)
	if err != nil {
		return "", err
	}
	set("id", o.messageID)
	set("topic", o.topic)
	set("since", since)
	set("until", until)
	set("user", o.user)
	set("session", o.session)
	return "/explain?" + query.Encode(), nil
}

// momentOf returns the time that a flag names, for the ops endpoint; "" for none.
func momentOf(flag, text string, now time.Time) (string, error) {
	if text == "" {
		return "", nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago).UTC().Format(time.RFC3339Nano), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return "", misused("explain", "--%s %q is neither a duration such as 10m, nor a time such as 2026-05-01T12:00:00Z", flag, text)
	}
	return at.UTC().Format(time.RFC3339Nano), nil
}

// printExplained prints an answer. Clients and publishers choose much of what stands in it.
func (p *program) printExplained(a explain.Answer) {
	if a.More > 0 {
		fmt.Fprintf(p.stdout, "%d older events are left out; --until shows them\n", a.More)
	}
	for _, e := range a.Events {
		p.printEvent(e)
	}
	for _, note := range a.Notes {
		fmt.Fprintf(p.stdout, "note: %s\n", printable(note))
	}
}

func (p *program) printEvent(e explain.Event) {
	what := printable(e.Topic)
	switch {
	case e.Memory != "":
		what = "the time of a key of memory " + printable(e.Memory) + " was up"
	case e.Topic == "":
		what = "an event"
	}
	if e.Retained {
		what += "  retained"
	}
	fmt.Fprintf(p.stdout, "%s  %s\n", e.Time.Format("2006-01-02T15:04:05.000Z"), what)
	if len(e.Outcomes) == 0 {
		fmt.Fprintln(p.stdout, "  no rule matches the topic")
	}
	for _, o := range e.Outcomes {
		fmt.Fprintf(p.stdout, "  %s\n", outcomeLine(o))
		if o.Note != "" {
			fmt.Fprintf(p.stdout, "    %s\n", o.Note)
		}
		if o.Body != nil {
			fmt.Fprintf(p.stdout, "    for %s: %s\n", printable(o.Audience), printable(string(o.Body)))
		}
		for _, d := range o.Deliveries {
			fmt.Fprintf(p.stdout, "    %s\n", deliveryLine(d))
		}
	}
	if e.More > 0 {
		fmt.Fprintf(p.stdout, "  and %d more outcomes\n", e.More)
	}
}

// outcomeLine says what one rule has made of the event.
func outcomeLine(o explain.Outcome) string {
	line := string(o.What)
	if o.Rule != "" {
		line = strings.TrimSpace(fmt.Sprintf("rule %q %s", o.Rule, printable(o.Element))) + ": " + line
	}
	switch o.What {
	case commit.Mapped:
		return line + " to " + o.Queue + ", message-id " + o.MessageID
	case commit.Silent:
		return line + ", it only changes what is remembered"
	case commit.Rejected:
		return line + ", " + printable(o.Why) + "; the dead letter went to " + printable(o.DeadLetter)
	}
	return line + ", " + printable(o.Why)
}

// deliveryLine says what became of a message for one subscription.
func deliveryLine(d explain.Delivery) string {
	who := printable(d.User)
	if d.Destination != "" {
		who += ", " + printable(d.Destination)
	}
	return fmt.Sprintf("%s (session %s, %s): %s", who, d.Session, printable(d.Remote), printable(d.Text))
}
