package stomp

// Held returns how many bytes of memory the decoder keeps beside itself.
func (d *Decoder) Held() int {
	n := cap(d.in) + cap(d.line) + cap(d.frame.Body)
	for _, h := range d.frame.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}
