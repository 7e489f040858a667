package server

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// maxLogged is how many characters of one value stand in the log. Much of what the server logs is
// what clients send, and headers may have kilobytes.
const maxLogged = 200

// A clipped is a slog.Handler that cuts long values.
type clipped struct{ slog.Handler }

// Handle implements slog.Handler.
func (c clipped) Handle(ctx context.Context, r slog.Record) error {
	short := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		short.AddAttrs(clipAttr(a))
		return true
	})
	return c.Handler.Handle(ctx, short)
}

// WithAttrs implements slog.Handler.
func (c clipped) WithAttrs(attrs []slog.Attr) slog.Handler {
	short := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		short[i] = clipAttr(a)
	}
	return clipped{c.Handler.WithAttrs(short)}
}

// WithGroup implements slog.Handler.
func (c clipped) WithGroup(name string) slog.Handler { return clipped{c.Handler.WithGroup(name)} }

func clipAttr(a slog.Attr) slog.Attr {
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		if s := v.String(); len(s) > maxLogged {
			a.Value = slog.StringValue(clip(s))
		}
	case slog.KindAny:
		if err, ok := v.Any().(error); ok && len(err.Error()) > maxLogged {
			a.Value = slog.StringValue(clip(err.Error()))
		}
	}
	return a
}

// clip cuts text after maxLogged characters and says how long it is.
func clip(text string) string {
	n := 0
	for i := range text {
		if n++; n > maxLogged {
			// ToValidUTF8: a broken character counts as one, however it is printed.
			return fmt.Sprintf("%s… (%d bytes)", strings.ToValidUTF8(text[:i], "\uFFFD"), len(text))
		}
	}
	return text
}
