package jetstream

// WithSlack returns the options with so many bytes in the stream that may be needed no more.
func WithSlack(o Options, bytes int64) Options {
	o.slack = bytes
	return o
}
