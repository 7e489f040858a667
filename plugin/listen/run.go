package listen

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// ErrWaited is what Run returns when its Wait has passed; mosquitto_sub exits with 27 then.
var ErrWaited = errors.New("the time to wait has passed")

// Format says how Run prints a message: as one line, since the bridge's bodies have none inside.
type Format string

// The formats.
const (
	FormatText Format = "text" // the queue, a tab, the body
	FormatBody Format = "body" // the body alone
	FormatJSON Format = "json" // an object of queue, message_id, maybe traceparent, and body
)

// Run prints messages, each by one Write, until there were Count of them or ctx has ended, which
// are both no error, or until Wait has passed, which is ErrWaited. Any other error has ended the
// connection: *ServerError if the server said why.
func Run(ctx context.Context, cfg Config, stdout io.Writer) error {
	if len(cfg.Queues) == 0 {
		return errors.New("no queue to listen to")
	}
	if err := cfg.Format.check(); err != nil {
		return err
	}
	err := run(ctx, cfg, stdout)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func run(ctx context.Context, cfg Config, stdout io.Writer) error {
	c, err := Dial(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() {
		if err := c.Close(); err != nil {
			c.log.Debug("closing", "error", err)
		}
	}()
	if cfg.Wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, cfg.Wait, ErrWaited)
		defer cancel()
	}
	for n := 0; cfg.Count == 0 || n < cfg.Count; n++ {
		m, err := c.Next(ctx)
		if err != nil {
			return err
		}
		if _, err := stdout.Write(cfg.Format.line(m)); err != nil {
			return fmt.Errorf("printing: %w", err)
		}
	}
	return nil
}

func (f Format) check() error {
	switch f {
	case "", FormatText, FormatBody, FormatJSON:
		return nil
	}
	return fmt.Errorf("format %q: must be %s, %s or %s", string(f), FormatText, FormatBody, FormatJSON)
}

// line returns the message as printed, with the line's end.
func (f Format) line(m Message) []byte {
	switch f {
	case FormatBody:
		return append(m.Body, '\n')
	case FormatJSON:
		return object(m)
	}
	return fmt.Appendf(nil, "%s\t%s\n", m.Queue, m.Body)
}

// object returns the message as a line of JSON, with its body inside if that is JSON as well, or
// else as text.
func object(m Message) []byte {
	var body any = string(m.Body)
	if json.Valid(m.Body) {
		body = json.RawMessage(m.Body)
	}
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(struct {
		Queue string `json:"queue"`
		ID    string `json:"message_id"`
		Trace string `json:"traceparent,omitempty"`
		Body  any    `json:"body"`
	}{m.Queue, m.ID, m.TraceParent, body})
	if err != nil {
		panic("listen: " + err.Error()) // texts and valid JSON can always be written
	}
	return line.Bytes()
}
